//! The port through which the core writes text.

/// Writes text somewhere: a kernel implements it with its alias mapping or CR0.WP window, tests with memory of theirs.
///
/// The core calls [`Text::admit`] for every site that will change, then [`Text::write`] for each of them, then
/// [`Text::finish`] once. A port that can fail must do so in `admit`: after the first write there is no way back, and that
/// is what makes a batch all or nothing.
///
/// ```
/// use pvc_runtime::Text;
///
/// /// Text that is writable already: early boot, before the kernel protects itself.
/// struct Unprotected;
///
/// impl Text for Unprotected {
///     fn admit(&mut self, _address: usize, _len: usize) -> Result<(), i32> {
///         Ok(())
///     }
///     fn write(&mut self, address: usize, bytes: &[u8]) {
///         // SAFETY: the core hands over addresses of verified sites only, and they are writable.
///         unsafe { core::ptr::copy(bytes.as_ptr(), address as *mut u8, bytes.len()) }
///     }
/// }
/// ```
pub trait Text {
    /// Whether the `len` bytes at `address` can be written now.
    ///
    /// # Errors
    ///
    /// An error number of the port's own choice; it refuses the batch and comes back in
    /// [`Error::errno`](crate::Error::errno). Freed init text and probed sites belong here.
    fn admit(&mut self, address: usize, len: usize) -> Result<(), i32>;

    /// Writes `bytes` at `address`. Must not fail: every address was admitted.
    fn write(&mut self, address: usize, bytes: &[u8]);

    /// Called after the last write: make every CPU that will run the text see it.
    fn finish(&mut self) {}
}
