//! `pvc asm` and `pvc dis`.

use super::{pvc_with_input, stderr};

#[test]
fn asm_prints_a_listing_or_a_line_for_each_line() {
    let block = pvc_with_input(&["asm"], b"pushf; pop %rax\njmp 1f\n1: ret\n");
    assert!(block.status.success(), "{}", stderr(&block));
    let listing = String::from_utf8(block.stdout).unwrap();
    assert!(listing.starts_with("0000  9c"), "{listing}");
    assert!(listing.contains("0002  eb 00"), "{listing}");

    let lines =
        pvc_with_input(&["asm", "--lines", "--arch", "i386", "-"], b"push %eax; popf\nbogus\n\nmov %cr3, %eax\n");
    assert_eq!(lines.status.code(), Some(1), "one line failed");
    let lines = String::from_utf8(lines.stdout).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!((lines[0], lines[2], lines[3]), ("509d", "", "0f20d8"));
    assert!(lines[1].starts_with("error: "), "{}", lines[1]);

    let intel = pvc_with_input(&["asm", "--lines", "--syntax", "intel"], b"mov rax, cr3\n");
    assert_eq!(String::from_utf8(intel.stdout).unwrap(), "0f20d8\n");
    let real = pvc_with_input(&["asm", "--lines", "--arch", "i8086"], b"mov %cr0, %eax\nmov $1, %ax\n");
    assert_eq!(String::from_utf8(real.stdout).unwrap(), "0f20c0\nb80100\n");
    let refused = pvc_with_input(&["asm"], b"mov %eax, %rbx\n");
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("standard input:1"), "{}", stderr(&refused));
}

#[test]
fn dis_is_the_inverse() {
    let text = pvc_with_input(&["dis"], b"0f 01 f8 48 0f 07");
    assert_eq!(String::from_utf8(text.stdout).unwrap(), "swapgs\nsysretq\n");
    let raw = pvc_with_input(&["dis", "--raw", "--arch", "i386"], &[0x50, 0x9d]);
    assert_eq!(String::from_utf8(raw.stdout).unwrap(), "push %eax\npopf\n");
    let odd = pvc_with_input(&["dis"], b"0f0");
    assert_eq!(odd.status.code(), Some(1), "{}", stderr(&odd));
}
