//! Where the state is that all patchers of a process share.
//!
//! Each shared object may have a runtime in it, and the dynamic linker makes one symbol of their states only where the objects
//! export it to each other: not if a library was opened with RTLD_LOCAL, nor for a `cdylib`. But all of them compute one
//! address from the random bytes that the kernel gives each process (`AT_RANDOM` of getauxval(3)), which nobody outside
//! knows, and `MAP_FIXED_NOREPLACE` lets one of them make the page. The page is a private copy of a memfd, which holds the
//! mark already: it is there whole, or not at all.

use super::shared::Shared;
use super::sys::{self, File, PAGE, PROT_READ, PROT_WRITE, Pages};

/// How a page of this layout begins.
const MARK: [u8; 16] = *b"pvc: pv_live_1\0\0";
/// Of the state in its page.
const OFFSET: usize = 64;

/// Where the page may be: programs, heaps, stacks and libraries lie elsewhere, unless somebody asked for an address.
const FIRST: usize = 0x2000_0000_0000;
const PAGES: usize = 0x1000_0000_0000 / PAGE;
/// Addresses to try: the first ones may be taken.
const ATTEMPTS: usize = 8;

const _: () = assert!(OFFSET + size_of::<Shared>() <= PAGE && OFFSET.is_multiple_of(align_of::<Shared>()));

/// Finds the page, or makes it; `None` where the kernel refuses what that takes.
pub(crate) fn find() -> Option<&'static Shared> {
    let [first, second] = random()?;
    let marked = marked().ok()?;
    (1..=ATTEMPTS).find_map(|attempt| {
        let number = first.wrapping_add(second.wrapping_mul(attempt)) % PAGES;
        let page = FIRST.wrapping_add(number.wrapping_mul(PAGE));
        let made = match Pages::map_at(page, PAGE, PROT_READ | PROT_WRITE, &marked) {
            Ok(pages) if pages.start().addr() == page => {
                let _ = pages.leak(); // for ever
                true
            }
            // Somebody was faster, or uses this page; or the kernel (before 4.17) does not know the flag.
            _ => false,
        };
        let state = core::ptr::with_exposed_provenance::<Shared>(page.wrapping_add(OFFSET));
        // SAFETY: (150) a page that is never unmapped, with the state behind its mark: zero at first, which is valid.
        (made || holds_mark(page)).then(|| unsafe { &*state })
    })
}

/// The random bytes of this process.
fn random() -> Option<[usize; 2]> {
    const AT_NULL: usize = 0;
    const AT_RANDOM: usize = 25;
    let mut vector = [0; 1024];
    // First the file: valgrind answers it with the vector of the program that it runs.
    let read = File::open(c"/proc/self/auxv", false).and_then(|file| file.read(&mut vector).map(|_| ()));
    read.or_else(|_| sys::auxiliary_vector(&mut vector)).ok()?;
    let word = |bytes: Option<&[u8; 8]>| bytes.copied().map_or(AT_NULL, usize::from_ne_bytes);
    let entries = vector.chunks_exact(16).map(|entry| (word(entry.first_chunk()), word(entry.last_chunk())));
    let (_, address) = entries.take_while(|(kind, _)| *kind != AT_NULL).find(|(kind, _)| *kind == AT_RANDOM)?;
    let bytes = core::ptr::with_exposed_provenance::<[usize; 2]>(address);
    // SAFETY: (151) the kernel put 16 bytes there, on the stack of the first thread.
    Some(unsafe { bytes.read_unaligned() })
}

fn holds_mark(page: usize) -> bool {
    // SAFETY: (152) readable, as has been asked.
    sys::is_readable(page) && unsafe { core::ptr::with_exposed_provenance::<[u8; 16]>(page).read_volatile() } == MARK
}

/// A file that begins as the page does.
fn marked() -> Result<File, i32> {
    let file = File::in_memory(c"pv_live_1")?;
    file.write(&MARK)?; // the rest of the page behind the end of a file is zero
    Ok(file)
}
