//! The slots of an ops structure.

use core::ffi::c_void;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicPtr, Ordering};

/// One slot: the function that an op's sites call until they are patched, of a type that keeps the op's contract.
///
/// `F` is a function pointer where a plain function keeps the contract, and a type of the op's own where only a thunk or a
/// hand-written routine does.
///
/// ```
/// use pvc_runtime::Slot;
/// extern "sysv64" fn one() -> u32 {
///     1
/// }
/// extern "sysv64" fn two() -> u32 {
///     2
/// }
/// // SAFETY: a function pointer type, and a function of that type.
/// static SLOT: Slot<extern "sysv64" fn() -> u32> = unsafe { Slot::new(one as *const _) };
/// SLOT.install(two);
/// assert_eq!(SLOT.installed()(), 2);
/// ```
#[repr(transparent)]
#[derive(Debug)]
pub struct Slot<F> {
    function: AtomicPtr<c_void>,
    contract: PhantomData<fn(F) -> F>,
}

impl<F: Copy> Slot<F> {
    const IS_POINTER: () = assert!(size_of::<F>() == size_of::<*const c_void>());

    /// A slot with its first value.
    ///
    /// # Safety
    ///
    /// `F` is a function pointer type or a transparent wrapper of a code address, and `function` is a valid `F`.
    pub const unsafe fn new(function: *const c_void) -> Self {
        let () = Self::IS_POINTER;
        Self { function: AtomicPtr::new(function.cast_mut()), contract: PhantomData }
    }

    /// Installs a backend: calls through the slot reach it at once, patched sites after the next patching.
    pub fn install(&self, function: F) {
        // SAFETY: (60) `new`: an `F` is a code address.
        let address = unsafe { core::mem::transmute_copy::<F, *mut c_void>(&function) };
        self.function.store(address, Ordering::Release);
    }

    /// Installs whatever is at `address`: the set's no-op and identity functions, which keep every contract.
    ///
    /// # Safety
    ///
    /// The code there keeps the contract of the op.
    pub unsafe fn install_address(&self, address: *const c_void) {
        self.function.store(address.cast_mut(), Ordering::Release);
    }

    /// What is installed.
    pub fn installed(&self) -> F {
        let address = self.function.load(Ordering::Acquire);
        // SAFETY: (61) as (60); only valid values of `F` are ever stored.
        unsafe { core::mem::transmute_copy::<*mut c_void, F>(&address) }
    }
}
