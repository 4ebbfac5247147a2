//! A value in a `static` that one caller may have, mutably and for good.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// The value, and whether it is given away.
pub struct Once<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `take` gives out the only reference there will ever be, to whichever thread asks first.
unsafe impl<T: Send> Sync for Once<T> {}

impl<T> Once<T> {
    /// Holds the value until someone takes it.
    pub const fn new(value: T) -> Once<T> {
        Once { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The value, the first time; `None` ever after.
    #[allow(clippy::mut_from_ref)]
    pub fn take(&'static self) -> Option<&'static mut T> {
        if self.taken.swap(true, Ordering::AcqRel) {
            return None;
        }
        // SAFETY: `taken` was false and never becomes false again, so no other reference exists.
        Some(unsafe { &mut *self.value.get() })
    }
}
