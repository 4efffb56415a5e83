//! Bytes to text that assembles to the same bytes.
//!
//! iced decodes and prints; what it prints is assembled again, and where that gives other bytes the text is helped
//! along: by a pseudo-prefix, a branch target relative to `.`, or, as the last resort, `.byte`.

use crate::lines::Lines;
use crate::{Options, Syntax};
use iced_x86::{
    Decoder, DecoderOptions, Formatter, GasFormatter, Instruction, IntelFormatter, MemorySizeOptions, OpKind,
};

/// One decoded instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disassembled {
    /// Offset of its first byte.
    pub offset: usize,
    /// Number of its bytes.
    pub len: usize,
    /// Text that assembles to these bytes.
    pub text: String,
    /// What the CPU makes of them, if `text` had to be `.byte`.
    pub meaning: Option<String>,
}

/// Pseudo-prefixes that can turn the usual encoding into the one at hand.
const HELPERS: [&str; 12] = [
    "",
    "{load} ",
    "{store} ",
    "{disp32} ",
    "{disp8} ",
    "{disp16} ",
    "{vex3} ",
    "{vex} ",
    "{evex} ",
    "{rex} ",
    "{load} {disp32} ",
    "{evex} {disp32} ",
];

/// Decodes `bytes` from address 0 on.
///
/// ```
/// use pvc_asm::{Options, disassemble};
/// let text: Vec<String> = disassemble(&[0x9c, 0x58, 0x8b, 0xd8], &Options::default()).into_iter().map(|one| one.text).collect();
/// assert_eq!(text, ["pushf", "pop %rax", "{load} mov %eax,%ebx"]);
/// ```
pub fn disassemble(bytes: &[u8], options: &Options) -> Vec<Disassembled> {
    let mut decoder = Decoder::with_ip(options.mode.bits(), bytes, 0, DecoderOptions::NONE);
    let mut printer = Printer::new(options.syntax);
    let mut out = Vec::new();
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        let offset = decoder.position();
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() {
            // One byte at a time until something decodes.
            out.push(Disassembled { offset, len: 1, text: bytes_text(&bytes[offset..=offset]), meaning: None });
            if decoder.set_position(offset + 1).is_err() {
                break;
            }
            decoder.set_ip(offset as u64 + 1);
            continue;
        }
        let len = instruction.len();
        let encoded = &bytes[offset..offset + len];
        let (text, meaning) = printer.print(&instruction, encoded, options);
        out.push(Disassembled { offset, len, text, meaning });
    }
    out
}

/// [`disassemble`] as text, an instruction a line.
///
/// ```
/// let text = pvc_asm::disassembly(&[0xeb, 0xfe, 0xc3], &Default::default());
/// assert_eq!(text, "jmp .\nret\n");
/// ```
pub fn disassembly(bytes: &[u8], options: &Options) -> String {
    let mut out = String::new();
    for one in disassemble(bytes, options) {
        out.push_str(&one.text);
        if let Some(meaning) = one.meaning {
            out.push_str(" # ");
            out.push_str(&meaning);
        }
        out.push('\n');
    }
    out
}

/// Reads hex digits, with blanks, commas and `0x` between the bytes as people write them.
///
/// ```
/// assert_eq!(pvc_asm::parse_hex("0f 01 f8, 0xc3").unwrap(), [0x0f, 0x01, 0xf8, 0xc3]);
/// assert_eq!(pvc_asm::parse_hex("0f0"), Err(3));
/// ```
///
/// # Errors
///
/// The byte offset in `text` where it is not hex.
pub fn parse_hex(text: &str) -> Result<Vec<u8>, usize> {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at].is_ascii_whitespace() || bytes[at] == b',' {
            at += 1;
            continue;
        }
        if bytes[at] == b'0' && bytes.get(at + 1).is_some_and(|byte| byte | 0x20 == b'x') {
            at += 2;
        }
        let digit = |at: usize| bytes.get(at).and_then(|&byte| (byte as char).to_digit(16));
        match (digit(at), digit(at + 1)) {
            (Some(high), Some(low)) => out.push((high << 4 | low) as u8),
            (Some(_), None) => return Err(at + 1),
            _ => return Err(at),
        }
        at += 2;
    }
    Ok(out)
}

fn bytes_text(bytes: &[u8]) -> String {
    let list: Vec<String> = bytes.iter().map(|byte| format!("{byte:#04x}")).collect();
    format!(".byte {}", list.join(","))
}

enum Printer {
    Att(Box<[GasFormatter; 2]>),
    Intel(Box<IntelFormatter>),
}

impl Printer {
    fn new(syntax: Syntax) -> Self {
        match syntax {
            Syntax::Att => {
                let mut both = [GasFormatter::new(), GasFormatter::new()];
                for (suffix, formatter) in both.iter_mut().enumerate() {
                    formatter.options_mut().set_gas_show_mnemonic_size_suffix(suffix == 1);
                    formatter.options_mut().set_rip_relative_addresses(true);
                    formatter.options_mut().set_uppercase_hex(false);
                    formatter.options_mut().set_small_hex_numbers_in_decimal(true);
                }
                Self::Att(Box::new(both))
            }
            Syntax::Intel => {
                let mut formatter = IntelFormatter::new();
                let options = formatter.options_mut();
                options.set_hex_prefix("0x");
                options.set_hex_suffix("");
                options.set_uppercase_hex(false);
                options.set_rip_relative_addresses(true);
                options.set_memory_size_options(MemorySizeOptions::Always);
                Self::Intel(Box::new(formatter))
            }
        }
    }

    /// The text, and the meaning if the text is `.byte`.
    fn print(&mut self, instruction: &Instruction, bytes: &[u8], options: &Options) -> (String, Option<String>) {
        let mut spellings = Vec::new();
        match self {
            Self::Att(both) => {
                for formatter in both.iter_mut() {
                    spellings.push(spell(formatter, instruction));
                }
            }
            Self::Intel(formatter) => spellings.push(spell(&mut **formatter, instruction)),
        }
        let meaning = spellings[0].clone();
        let candidates: Vec<String> =
            HELPERS.iter().flat_map(|helper| spellings.iter().map(move |text| format!("{helper}{text}"))).collect();
        let mut lines = Lines::new(*options);
        for text in &candidates {
            if lines.assemble(text).is_ok_and(|assembled| assembled == bytes)
                && lines.warnings().is_empty()
                && lines.is_complete()
            {
                return (text.clone(), None);
            }
        }
        (bytes_text(bytes), Some(meaning))
    }
}

/// iced's text, with branch targets relative to the instruction.
fn spell(formatter: &mut dyn Formatter, instruction: &Instruction) -> String {
    let mut text = String::new();
    if matches!(instruction.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64) {
        formatter.format_mnemonic(instruction, &mut text);
        let target = instruction.near_branch_target() as i64;
        let distance = target.wrapping_sub(instruction.ip() as i64);
        let distance = match instruction.op0_kind() {
            OpKind::NearBranch16 => i64::from(distance as i16),
            OpKind::NearBranch32 => i64::from(distance as i32),
            _ => distance,
        };
        match distance {
            0 => text.push_str(" ."),
            1.. => text.push_str(&format!(" .+{distance:#x}")),
            _ => text.push_str(&format!(" .-{:#x}", distance.unsigned_abs())),
        }
        return text;
    }
    formatter.format(instruction, &mut text);
    text
}
