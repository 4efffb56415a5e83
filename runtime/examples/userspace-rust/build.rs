//! Compiles the patch set to `OUT_DIR/userspace.rs`.

fn main() -> Result<(), pvc::BuildError> {
    pvc::Builder::new().file("../../../patchsets/userspace.pv").rust().compile()?;
    Ok(())
}
