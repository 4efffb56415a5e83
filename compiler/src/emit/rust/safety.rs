//! Whether a wrapper is a safe function.
//!
//! An op is safe to call if none of its rows can touch memory, privileged state or state that Rust code relies on: what is
//! left computes registers from registers, or orders what others do. Everything else is `unsafe`, with the reason in its
//! documentation.

use crate::check::CheckedRow;
use crate::model::{Abi, Clobber, Contract, Op, Type};
use iced_x86::{FlowControl, Instruction, InstructionInfoFactory, Mnemonic, Register};

/// Unprivileged instructions that change what Rust code relies on: thread pointers, access rights, floating-point control,
/// the direction flag, the system.
const UNSAFE: &[Mnemonic] = &[
    Mnemonic::Wrfsbase,
    Mnemonic::Wrgsbase,
    Mnemonic::Wrpkru,
    Mnemonic::Ldmxcsr,
    Mnemonic::Vldmxcsr,
    Mnemonic::Fldcw,
    Mnemonic::Fldenv,
    Mnemonic::Fninit,
    Mnemonic::Std,
    Mnemonic::Popf,
    Mnemonic::Popfd,
    Mnemonic::Popfq,
    Mnemonic::Enqcmd,
    Mnemonic::Senduipi,
    Mnemonic::Stui,
    Mnemonic::Clui,
];

/// Why the op is unsafe to call; `None` if it is safe.
pub(super) fn danger(abi: Abi, op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> Option<&'static str> {
    if abi == Abi::Kernel {
        return Some(
            "The caller runs at the privilege that the instructions need, and in a state in which they may be executed.",
        );
    }
    if op.diverges() {
        return Some("Nothing that the caller has yet to do, drops included, matters.");
    }
    if contract.params.iter().any(|operand| operand.ty == Type::Ptr) {
        return Some("The pointers are what the op demands of them.");
    }
    let touches_memory = contract.clobbers.items.iter().any(|item| item.what == Clobber::Memory);
    if touches_memory {
        return Some("What the op reads and writes in memory may be read and written.");
    }
    let system = |item: &crate::model::ClobberItem| matches!(item.what, Clobber::SystemFlag(_));
    if contract.clobbers.items.iter().any(system) || contract.rows.iter().any(row_is_dangerous) {
        return Some("The state of the CPU that the op changes may be changed.");
    }
    None
}

fn row_is_dangerous(row: &CheckedRow) -> bool {
    row.code.items.iter().flat_map(|item| &item.instructions).any(is_dangerous)
}

fn is_dangerous(instruction: &Instruction) -> bool {
    let mut factory = InstructionInfoFactory::new();
    let on_stack = |base| matches!(base, Register::RSP | Register::ESP);
    let touches_memory = instruction.mnemonic() != Mnemonic::Lea
        && !instruction.mnemonic().eq(&Mnemonic::Nop)
        && factory.info(instruction).used_memory().iter().any(|memory| !on_stack(memory.base()));
    let leaves = !matches!(
        instruction.flow_control(),
        FlowControl::Next | FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
    );
    instruction.is_invalid()
        || instruction.is_privileged()
        || instruction.is_save_restore_instruction()
        || leaves
        || touches_memory
        || UNSAFE.contains(&instruction.mnemonic())
        || (0..instruction.op_count()).any(|operand| instruction.op_register(operand).is_segment_register())
}
