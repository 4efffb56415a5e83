//! The shipped native patch set at ring 0, for real: small kernels under QEMU's software CPU (no KVM), with the tables that
//! pvc generates and both runtimes. What they check is told in `guest64/main.rs` and `guest32/main.c`.
//!
//! Here they are built, booted, and held to what they must have checked: every op and every static branch of the patch set, in
//! every phase. Then the teeth: with one row of the table changed to another instruction, or one branch's record made to
//! mean the other value, the same guest must fail, at that op or branch.

mod guest;
mod qemu;
mod spoil;

use guest::Guest;
use qemu::{Run, boot};

/// Guests exit with this if everything held: `(0x10 << 1) | 1` (QEMU's isa-debug-exit).
const PASSED: i32 = 33;

/// A guest must pass, and must have said so for each op in each phase.
fn passes(guest: &Guest, phases: &[&str], also: &[&str]) {
    let run = boot(&guest.image);
    assert_eq!((run.status, run.failures()), (Some(PASSED), vec![]), "{run}");
    assert!(guest.ops.len() >= 10, "{:?}", guest.ops);
    for phase in phases {
        for op in &guest.ops {
            assert!(run.says(&format!("ok {phase} {op}")), "{phase} {op} was not checked\n{run}");
        }
    }
    assert!(guest.branches.len() >= 2, "{:?}", guest.branches);
    for phase in ["unpatched", "patched", "switched", "ring3", "restored"] {
        for branch in &guest.branches {
            assert!(run.says(&format!("ok {phase} {branch}")), "{phase} {branch} was not checked\n{run}");
        }
    }
    for line in also {
        assert!(run.says(line), "{line} was not checked\n{run}");
    }
}

/// With the rows `wrong` in the table, one at a time, the guest must fail with the line that goes with the row.
fn fails_with(guest: &Guest, wrong: &[(&str, &[u8], &str)]) {
    for op in &guest.ops {
        assert!(wrong.iter().any(|(name, ..)| name == op), "no wrong row for {op}");
    }
    for (op, bytes, line) in wrong {
        let image = spoil::with_row(guest, op, bytes);
        let run: Run = boot(&image);
        assert_ne!(run.status, Some(PASSED), "{op} as {bytes:02x?} passes\n{run}");
        let failures = run.failures();
        assert!(failures.iter().any(|failure| failure.starts_with(line)), "{op} as {bytes:02x?}\n{run}");
    }
    // A record that jumps for the wrong value: the first batch switches the branch.
    for branch in &guest.branches {
        let run = boot(&spoil::with_branch(guest, branch));
        let line = format!("FAIL patched {branch}");
        assert!(run.status != Some(PASSED) && run.failures().iter().any(|said| said.starts_with(&line)), "{run}");
    }
}

const PHASES: [&str; 5] = ["unpatched", "patched", "ring3", "called", "restored"];

#[test]
fn x86_64_rust_guest() {
    passes(
        guest::x86_64(),
        &PHASES,
        &[
            "ok unpatched text is read-only",
            "ok unpatched a foreign byte refuses the batch",
            "ok patched every site holds its row",
            "ok restored text is as compiled",
            "ok crossmod with breakpoints, interrupts on",
            "ok crossmod with breakpoints, interrupts off",
            "ok crossmod what is not live is refused",
            "ok crossmod with plain stores, torn results are seen",
            "ok crossmod restored",
        ],
    );
}

#[test]
fn x86_64_wrong_table_fails() {
    fails_with(
        guest::x86_64(),
        &[
            ("irq.irq_disable", &[0xfb], "FAIL patched irq.irq_disable"), // sti
            ("irq.irq_enable", &[0xfa], "FAIL patched irq.irq_enable"),   // cli
            ("irq.save_fl", &[0x31, 0xc0], "FAIL patched irq.save_fl"),   // xor %eax, %eax
            ("irq.restore_fl", &[0x57, 0x5f], "FAIL patched irq.restore_fl"), // push %rdi; pop %rdi
            ("mmu.read_cr2", &[0x0f, 0x20, 0xd8], "FAIL patched mmu.read_cr2"), // mov %cr3, %rax
            ("mmu.read_cr3", &[0x0f, 0x20, 0xd0], "FAIL patched mmu.read_cr3"), // mov %cr2, %rax
            ("mmu.write_cr3", &[0x0f, 0x22, 0xd7], "FAIL patched mmu.write_cr3"), // mov %rdi, %cr2
            ("cpu.wbinvd", &[0x66, 0x90], "FAIL ring3 cpu.wbinvd"),       // nop
            // swapgs; sysret to 32-bit code, as without REX.W
            ("cpu.usergs_sysret64", &[0x0f, 0x01, 0xf8, 0x0f, 0x07, 0x90], "FAIL ring 3 runs in 32-bit mode"),
            // nop; sysretq
            ("cpu.usergs_sysret64", &[0x0f, 0x1f, 0x00, 0x48, 0x0f, 0x07], "FAIL the GS base after ring 3"),
            // Its site is the instruction itself, which then is not what the table says.
            ("cpu.swapgs", &[0x0f, 0x1f, 0x00], "FAIL patched every site holds its row"),
            ("mov64", &[0x48, 0x31, 0xc0], "FAIL patched mov64"), // xor %rax, %rax
            ("lock.queued_spin_unlock", &[0xc6, 0x07, 0x01], "FAIL patched lock.queued_spin_unlock"), // movb $1, (%rdi)
            ("lock.vcpu_is_preempted", &[0x0c, 0x01], "FAIL patched lock.vcpu_is_preempted"), // or $1, %al
        ],
    );
}

#[test]
fn i386_c_guest() {
    passes(
        guest::i386(),
        &PHASES,
        &[
            "ok unpatched text is read-only",
            "ok unpatched a foreign byte refuses the batch",
            "ok patched every site holds its row",
            "ok restored text is as compiled",
            "ok crossmod with breakpoints, interrupts on",
            "ok crossmod with breakpoints, interrupts off",
            "ok crossmod what is not live is refused",
            "ok crossmod a port that fails",
            "ok crossmod with plain stores, torn results are seen",
            "ok crossmod restored",
        ],
    );
}

#[test]
fn i386_wrong_table_fails() {
    fails_with(
        guest::i386(),
        &[
            ("irq.irq_disable", &[0xfb], "FAIL patched irq.irq_disable"), // sti
            ("irq.irq_enable", &[0xfa], "FAIL patched irq.irq_enable"),   // cli
            ("irq.save_fl", &[0x31, 0xc0], "FAIL patched irq.save_fl"),   // xor %eax, %eax
            ("irq.restore_fl", &[0x50, 0x58], "FAIL patched irq.restore_fl"), // push %eax; pop %eax
            ("mmu.read_cr2", &[0x0f, 0x20, 0xd8], "FAIL patched mmu.read_cr2"), // mov %cr3, %eax
            ("mmu.read_cr3", &[0x0f, 0x20, 0xd0], "FAIL patched mmu.read_cr3"), // mov %cr2, %eax
            ("mmu.write_cr3", &[0x0f, 0x22, 0xd0], "FAIL patched mmu.write_cr3"), // mov %eax, %cr2
            ("cpu.iret", &[0x90], "FAIL exception 6"),                    // nop: runs into the ud2 behind the site
            ("lock.queued_spin_unlock", &[0xc6, 0x00, 0x01], "FAIL patched lock.queued_spin_unlock"), // movb $1, (%eax)
            ("lock.vcpu_is_preempted", &[0x0c, 0x01], "FAIL patched lock.vcpu_is_preempted"), // or $1, %al
        ],
    );
}
