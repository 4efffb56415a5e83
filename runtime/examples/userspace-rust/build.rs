//! Compiles the patch set to `OUT_DIR/userspace.rs`, and that of the benchmark to `OUT_DIR/switches.rs`.

fn main() -> Result<(), pvc::BuildError> {
    pvc::Builder::new().file("../../../patchsets/userspace.pv").rust().compile()?;
    pvc::Builder::new().file("benches/switches.pv").rust().compile()?;
    Ok(())
}
