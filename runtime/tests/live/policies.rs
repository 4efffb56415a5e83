//! Policies that forbid to change what pages may do: the default view asks for nothing, a window is refused.

use crate::table::{self, FIRST, ONE, SECOND, TWO};
use pvc_runtime::user::live::View;
use pvc_runtime::{Status, Step, Way};

/// Text changes through `/proc/self/mem`; through a window it cannot, and stays as it is.
fn only_memory(errno: i32) {
    let before = table::text();
    let error = crate::live_as(ONE, View::Window).unwrap_err();
    assert_eq!((error.status, error.step, error.errno), (Status::Refused, Step::Writable, errno));
    assert_eq!(table::text(), before);
    crate::maps::assert_protection();
    for (features, value) in [(ONE, FIRST), (TWO, SECOND)] {
        assert_eq!(crate::live(features).unwrap().way, Way::ProcMem);
        crate::assert_all(value);
        crate::maps::assert_protection();
    }
}

/// `PR_SET_MDWE`: no page becomes writable and executable, and none that was written becomes executable.
pub(crate) fn mdwe() {
    const PR_SET_MDWE: libc::c_int = 65;
    crate::start();
    // SAFETY: concerns this process only.
    let set = unsafe { libc::prctl(PR_SET_MDWE, 1usize, 0usize, 0usize, 0usize) };
    assert_eq!(set, 0, "this test needs Linux 6.3: {}", std::io::Error::last_os_error());
    only_memory(libc::EACCES);
}

/// `mseal`: the protection of these pages does not change any more.
pub(crate) fn sealed() {
    const SYS_MSEAL: libc::c_long = 462;
    crate::start();
    let start = table::start() & !4095;
    let end = (table::start() + table::text().len()).next_multiple_of(4096);
    // SAFETY: concerns this process only.
    let sealed = unsafe { libc::syscall(SYS_MSEAL, start, end - start, 0) };
    assert_eq!(sealed, 0, "this test needs Linux 6.10: {}", std::io::Error::last_os_error());
    only_memory(libc::EPERM);
}
