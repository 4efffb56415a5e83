//! Builds the guests: pvc's own library makes the tables, the ordinary compilers make the kernels.

use pvc::arch::Arch;
use pvc::diagnostics::Color;
use pvc::emit::Kind;
use pvc::source::DiskLoader;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A bootable guest.
pub(crate) struct Guest {
    /// The kernel.
    pub(crate) image: PathBuf,
    /// The ops of the patch set that exist on its arch.
    pub(crate) ops: Vec<String>,
    /// The static branches of the patch set that exist on its arch.
    pub(crate) branches: Vec<String>,
    /// The symbol of its table (`struct pv_set`), or of a pointer to it.
    pub(crate) table: &'static str,
    /// Whether `table` is a pointer.
    pub(crate) indirect: bool,
    /// Holds all that was built, as long as the tests run.
    pub(crate) directory: tempfile::TempDir,
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ring0")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Compiles a patch set, writes the outputs into `directory`, and returns the names of its ops and of its static
/// branches on `arch`.
fn generate(patch_set: &Path, arch: Arch, kinds: &[Kind], directory: &Path) -> (Vec<String>, Vec<String>) {
    let compilation = pvc::compile(patch_set.to_str().unwrap(), &DiskLoader);
    let findings = pvc::diagnostics::render(&compilation.diagnostics, &compilation.sources, Color::Never);
    assert_eq!(findings, "", "{}", patch_set.display());
    let checked = compilation.checked.unwrap();
    for kind in kinds {
        let file = directory.join(kind.file_name(&checked.unit().set.name));
        std::fs::write(file, kind.render(&checked, &compilation.sources)).unwrap();
    }
    let unit = checked.unit();
    let ops = unit.ops.iter().filter(|op| op.on(arch).is_some()).map(|op| op.name.clone());
    let branches =
        unit.branches.iter().filter(|branch| branch.arches.contains(&arch)).map(|branch| branch.name.clone());
    (ops.collect(), branches.collect())
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn rustc() -> Command {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    // The target of the host: `core` is there. Interrupts ruin a red zone, hence none.
    rustc.args(["--edition", "2024", "-D", "warnings", "-C", "opt-level=2", "-C", "panic=abort"]);
    rustc.args(["-C", "relocation-model=static", "-C", "no-redzone=yes", "-C", "target-feature=+crt-static"]);
    rustc
}

/// The 64-bit guest, in Rust.
pub(crate) fn x86_64() -> &'static Guest {
    static GUEST: OnceLock<Guest> = OnceLock::new();
    GUEST.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let (ops, branches) = generate(&root().join("patchsets/x86_64.pv"), Arch::X86_64, &[Kind::Rust], path);
        generate(&here().join("toggle.pv"), Arch::X86_64, &[Kind::Rust], path);
        let runtime = path.join("libpvc_runtime.rlib");
        run(rustc()
            .args(["--crate-type", "rlib", "--crate-name", "pvc_runtime", "-o"])
            .arg(&runtime)
            .arg(root().join("runtime/src/lib.rs")));
        let image = path.join("guest64.elf");
        let mut script = std::ffi::OsString::from("link-arg=-Wl,-T,");
        script.push(here().join("guest64/link.ld"));
        run(rustc()
            .env("GUEST_PARAVIRT", path.join("paravirt.rs"))
            .env("GUEST_TOGGLE", path.join("toggle.rs"))
            .args(["--crate-type", "bin", "--crate-name", "guest64", "--extern"])
            .arg(format!("pvc_runtime={}", runtime.display()))
            .args(["-C", "link-args=-nostartfiles -nostdlib -static -no-pie -Wl,--build-id=none"])
            .args(["-C", "link-arg=-Wl,-z,max-page-size=0x1000", "-C"])
            .arg(script)
            .arg("-o")
            .arg(&image)
            .arg(here().join("guest64/main.rs")));
        Guest { image, ops, branches, table: "GUEST_TABLE", indirect: true, directory }
    })
}

/// The 32-bit guest, in C.
pub(crate) fn i386() -> &'static Guest {
    static GUEST: OnceLock<Guest> = OnceLock::new();
    GUEST.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let kinds = [Kind::Header, Kind::Source];
        let (ops, branches) = generate(&root().join("patchsets/x86_64.pv"), Arch::I386, &kinds, path);
        generate(&here().join("toggle.pv"), Arch::I386, &kinds, path);
        let image = path.join("guest32.elf");
        let (sources, runtime) = (here().join("guest32"), root().join("runtime/c"));
        let mut script = std::ffi::OsString::from("-Wl,--build-id=none,-T,");
        script.push(sources.join("link.ld"));
        run(Command::new("gcc")
            .args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-m32", "-march=i686", "-mgeneral-regs-only"])
            .args(["-ffreestanding", "-fno-pic", "-fno-pie", "-fno-stack-protector", "-fcf-protection=none"])
            .args(["-fno-asynchronous-unwind-tables", "-nostdlib", "-static", "-no-pie"])
            .arg(script)
            .arg("-I")
            .arg(path)
            .arg("-I")
            .arg(&runtime)
            .arg("-o")
            .arg(&image)
            .args(["entry.S", "main.c", "ops.c", "machine.c", "crossmod.c"].map(|file| sources.join(file)))
            .args([path.join("paravirt.c"), path.join("toggle.c"), runtime.join("pvc.c")]));
        Guest { image, ops, branches, table: "pv_paravirt_set", indirect: false, directory }
    })
}
