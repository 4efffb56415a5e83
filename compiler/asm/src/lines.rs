//! Many texts, each alone at address 0.

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, Severity};
use crate::{Assembly, Options};

/// Assembles texts one after the other with the same allocations.
///
/// ```
/// let mut lines = pvc_asm::Lines::new(Default::default());
/// assert_eq!(lines.assemble("ret").unwrap(), [0xc3]);
/// assert!(lines.assemble("rte").is_err());
/// ```
pub struct Lines<'t> {
    options: Options,
    assembler: Assembler<'t>,
    assembly: Assembly,
}

impl<'t> Lines<'t> {
    /// Every text is read with these options.
    pub fn new(options: Options) -> Self {
        let mut assembler = Assembler::new(options);
        assembler.want_items = false;
        Self { options, assembler, assembly: Assembly::default() }
    }

    /// The bytes of one text.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it; the warnings are left out.
    pub fn assemble(&mut self, text: &'t str) -> Result<&[u8], Vec<Diagnostic>> {
        self.assembler.reset(self.options);
        self.assembly.bytes.clear();
        self.assembly.fixups.clear();
        self.assembler.run(text);
        self.assembler.lay_out(&mut self.assembly);
        if self.assembler.errors != 0 {
            let mut errors = std::mem::take(&mut self.assembler.diagnostics);
            errors.retain(|diagnostic| diagnostic.severity == Severity::Error);
            return Err(errors);
        }
        Ok(&self.assembly.bytes)
    }

    /// Whether the last text had no field left for a linker.
    pub fn is_complete(&self) -> bool {
        self.assembly.fixups.is_empty()
    }

    /// The warnings of the last text that was assembled.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.assembler.diagnostics
    }
}

/// Assembles each line of `text` alone at address 0: line N of the result is its bytes as lower-case hex, or
/// `error: ` and a message. The number is that of the lines that failed.
///
/// ```
/// let (listing, failed) = pvc_asm::assemble_lines("push %rax; ret\nbogus\n", &Default::default());
/// assert_eq!(failed, 1);
/// assert_eq!(listing.lines().next(), Some("50c3"));
/// assert!(listing.lines().nth(1).unwrap().starts_with("error: "));
/// ```
pub fn assemble_lines(text: &str, options: &Options) -> (String, usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut lines = Lines::new(*options);
    let mut out: Vec<u8> = Vec::with_capacity(text.len() / 2);
    let mut failed = 0;
    for line in text.lines() {
        match lines.assemble(line) {
            Ok(bytes) => {
                for &byte in bytes {
                    out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                }
            }
            Err(errors) => {
                failed += 1;
                out.extend_from_slice(b"error: ");
                if let Some(first) = errors.first() {
                    out.extend_from_slice(first.message.replace('\n', " ").as_bytes());
                }
            }
        }
        out.push(b'\n');
    }
    (String::from_utf8(out).unwrap_or_default(), failed)
}
