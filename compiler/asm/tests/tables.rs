//! The checked-in tables are what the generator writes.

#[path = "../generator/mod.rs"]
mod generator;

#[test]
fn checked_in_tables_are_current() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/table");
    for (name, text) in generator::write::files() {
        let on_disk = std::fs::read_to_string(dir.join(name)).unwrap();
        assert!(on_disk == text, "{name} is stale: run `cargo run -p pvc-asm --example generate_tables`");
    }
}
