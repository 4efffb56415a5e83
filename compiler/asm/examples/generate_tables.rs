//! Writes the generated tables: `cargo run -p pvc-asm --example generate_tables`.

#[path = "../generator/mod.rs"]
mod generator;

fn main() -> std::io::Result<()> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/table");
    std::fs::create_dir_all(&dir)?;
    for (name, text) in generator::write::files() {
        std::fs::write(dir.join(name), text)?;
    }
    Ok(())
}
