//! A second set of page tables, which differs from the first in one page: the window.

use crate::cpu::Shared;
use core::arch::asm;

/// Where the tables show different pages: the fifth GiB.
const WINDOW: usize = 4 << 30;
/// From here on nothing is mapped.
pub(crate) const HOLE: usize = 8 << 30;
/// The word in the window with the guest's own tables.
pub(crate) const OWN_WORD: u64 = 0x4141_4141;
/// With the other ones.
pub(crate) const OTHER_WORD: u64 = 0x4242_4242;

type Entries = Shared<[u64; 512]>;

const fn entries() -> Entries {
    Shared::new([0; 512])
}

static OTHER_TOP: Entries = entries();
static OTHER_POINTERS: Entries = entries();
static DIRECTORIES: [Entries; 2] = [const { entries() }; 2];
static TABLES: [Entries; 2] = [const { entries() }; 2];
static PAGES: [Entries; 2] = [const { entries() }; 2];

unsafe extern "C" {
    static boot_pointers: Entries;
}

/// Present, writable, for ring 3 too (SDM volume 3A, table 4-15 and following).
const FLAGS: u64 = 7;

fn entry(table: &Entries) -> u64 {
    table.get().addr() as u64 | FLAGS
}

/// Adds the window to the tables of `boot.S`, and makes the other ones.
pub(crate) fn set_up() {
    // SAFETY: (90) CPU 0 alone; entries are added to tables in use only where none was.
    unsafe {
        let pointers = [boot_pointers.get(), OTHER_POINTERS.get()];
        (*pointers[1]).copy_from_slice(&*pointers[0]);
        (*OTHER_TOP.get())[0] = entry(&OTHER_POINTERS);
        for (index, word) in [OWN_WORD, OTHER_WORD].into_iter().enumerate() {
            (*PAGES[index].get())[0] = word;
            (*TABLES[index].get())[0] = entry(&PAGES[index]);
            (*DIRECTORIES[index].get())[0] = entry(&TABLES[index]);
            (*pointers[index])[WINDOW >> 30] = entry(&DIRECTORIES[index]);
        }
    }
    switch_to(table());
}

/// The word in the window.
pub(crate) fn window() -> u64 {
    // SAFETY: (91) both sets of tables map a page there.
    unsafe { core::ptr::with_exposed_provenance::<u64>(WINDOW).read_volatile() }
}

/// The other tables.
pub(crate) fn other_table() -> usize {
    OTHER_TOP.get().addr()
}

/// The tables in use, by the instruction itself.
pub(crate) fn table() -> usize {
    let cr3;
    // SAFETY: (92) reads only.
    unsafe { asm!("mov {}, cr3", out(reg) cr3, options(nostack)) };
    cr3
}

/// Uses other tables, by the instruction itself.
pub(crate) fn switch_to(table: usize) {
    // SAFETY: (93) one of the two sets, which map all code and data alike.
    unsafe { asm!("mov cr3, {}", in(reg) table, options(nostack)) }
}
