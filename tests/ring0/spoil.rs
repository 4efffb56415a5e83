//! Changes one row of the table in a built guest.

use crate::guest::Guest;
use object::{Object, ObjectSegment, ObjectSymbol};
use std::path::PathBuf;

/// A copy of the guest whose table has `bytes` as the first row of `op`; they must be as many as there were.
pub(crate) fn with_row(guest: &Guest, op: &str, bytes: &[u8]) -> PathBuf {
    let data = std::fs::read(&guest.image).unwrap();
    let file = object::File::parse(&*data).unwrap();
    let image = Image { width: if file.is_64() { 8 } else { 4 }, data: &data, file: &file };
    let symbol = file.symbols().find(|symbol| symbol.name() == Ok(guest.table)).expect("the guest has a table");
    let table = if guest.indirect { image.pointer(symbol.address()) } else { symbol.address() };

    // The layout of runtime/FORMAT.md, `struct pv_set`: a header of 24 bytes, then pointers.
    let pointer = |index: u64| image.pointer(table + 24 + index * image.width);
    let (ops, rows, all_bytes) = (pointer(1), pointer(2), pointer(7));
    let count = image.short(table + 8);
    let op_size = if image.width == 8 { 40 } else { 24 };
    let found = (0..count).map(|id| ops + id * op_size).find(|&at| image.text(image.pointer(at)) == op);
    let found = found.unwrap_or_else(|| panic!("the table has no op {op}"));
    let row = rows + 16 * image.short(found + 3 * image.width);
    let (offset, len) = (image.number(row, 4), image.data[image.offset(row + 4)]);
    assert_eq!(usize::from(len), bytes.len(), "{op}");

    let at = image.offset(all_bytes + offset);
    let mut spoilt = data.clone();
    assert_ne!(&spoilt[at..at + bytes.len()], bytes, "{op}: not changed");
    spoilt[at..at + bytes.len()].copy_from_slice(bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = guest.directory.path().join(format!("{op}-{hex}.elf"));
    std::fs::write(&path, spoilt).unwrap();
    path
}

/// A kernel that is loaded where its program headers say.
struct Image<'data> {
    /// Bytes of a pointer.
    width: u64,
    data: &'data [u8],
    file: &'data object::File<'data>,
}

impl Image<'_> {
    /// Where in the file the byte at `address` is.
    fn offset(&self, address: u64) -> usize {
        let offset = self.file.segments().find_map(|segment| {
            let (start, len) = segment.file_range();
            let within = address.checked_sub(segment.address()).filter(|within| *within < len)?;
            Some(start + within)
        });
        offset.unwrap_or_else(|| panic!("nothing in the file is loaded at {address:#x}")) as usize
    }

    fn number(&self, address: u64, width: u64) -> u64 {
        let at = self.offset(address);
        self.data[at..at + width as usize].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn pointer(&self, address: u64) -> u64 {
        self.number(address, self.width)
    }

    fn short(&self, address: u64) -> u64 {
        self.number(address, 2)
    }

    fn text(&self, address: u64) -> &str {
        let text = &self.data[self.offset(address)..];
        let end = text.iter().position(|byte| *byte == 0).unwrap();
        std::str::from_utf8(&text[..end]).unwrap()
    }
}
