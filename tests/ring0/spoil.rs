//! Changes one row of the table, or one record of a static branch, in a built guest.

use crate::guest::Guest;
use object::{Object, ObjectSegment, ObjectSymbol};
use std::path::PathBuf;

/// A copy of the guest whose table has `bytes` as the first row of `op`; they must be as many as there were.
pub(crate) fn with_row(guest: &Guest, op: &str, bytes: &[u8]) -> PathBuf {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    changed(guest, &format!("{op}-{hex}"), |image, table| {
        let (ops, rows, all_bytes) = (image.field(table, 1), image.field(table, 2), image.field(table, 7));
        let op_size = if image.width == 8 { 40 } else { 24 };
        let found = image.named(ops, image.short(table + 8), op_size, op);
        let row = rows + 16 * image.short(found + 3 * image.width);
        let (offset, len) = (image.number(row, 4), image.data[image.offset(row + 4)]);
        assert_eq!(usize::from(len), bytes.len(), "{op}");
        (all_bytes + offset, bytes.to_vec())
    })
}

/// A copy of the guest whose one record of `branch` says that the site jumps for the other value.
pub(crate) fn with_branch(guest: &Guest, branch: &str) -> PathBuf {
    changed(guest, branch, |image, table| {
        let (branches, first, end) = (image.field(table, 16), image.field(table, 17), image.field(table, 18));
        let size = if image.width == 8 { 16 } else { 8 };
        let id = (image.named(branches, image.short(table + 22), size, branch) - branches) / size;
        let mut records = (first..end).step_by(12).filter(|&record| image.short(record + 8) == id);
        let flags = records.next().expect("a site of the branch") + 11;
        assert_eq!(records.next(), None, "{branch} has one site");
        (flags, vec![image.data[image.offset(flags)] ^ 1])
    })
}

/// A copy of the guest, changed at the place that `change` finds, given the address of the table (runtime/FORMAT.md,
/// `struct pv_set`).
fn changed(guest: &Guest, name: &str, change: impl FnOnce(&Image<'_>, u64) -> (u64, Vec<u8>)) -> PathBuf {
    let data = std::fs::read(&guest.image).unwrap();
    let file = object::File::parse(&*data).unwrap();
    let image = Image { width: if file.is_64() { 8 } else { 4 }, data: &data, file: &file };
    let symbol = file.symbols().find(|symbol| symbol.name() == Ok(guest.table)).expect("the guest has a table");
    let table = if guest.indirect { image.pointer(symbol.address()) } else { symbol.address() };
    let (address, bytes) = change(&image, table);
    let at = image.offset(address);
    let mut spoilt = data.clone();
    assert_ne!(spoilt[at..at + bytes.len()], bytes, "{name}: not changed");
    spoilt[at..at + bytes.len()].copy_from_slice(&bytes);
    let path = guest.directory.path().join(format!("{name}.elf"));
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

    /// Pointer `index` of the table: they stand behind a header of 24 bytes.
    fn field(&self, table: u64, index: u64) -> u64 {
        self.pointer(table + 24 + index * self.width)
    }

    /// The one of `count` elements of `size` bytes that begins with a pointer to this name.
    fn named(&self, first: u64, count: u64, size: u64, name: &str) -> u64 {
        let found = (0..count).map(|id| first + id * size).find(|&at| self.text(self.pointer(at)) == name);
        found.unwrap_or_else(|| panic!("the table has no {name}"))
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
