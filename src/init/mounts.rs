//! `/proc` of a new process space. It can be mounted only from inside, so by the first process there.

use crate::sys;
use std::io;
use std::path::Path;

/// What would let the dyno write to the machine's settings, when its user is the machine's root.
const SETTINGS: [&str; 6] =
    ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi"];

/// Mounts it, and gives up the capabilities that this took. The keeper goes on with its own.
pub fn new_proc() -> io::Result<()> {
    sys::copy_mounts()?;
    sys::mount_proc()?;
    for place in SETTINGS.iter().filter(|place| Path::new(place).exists()) {
        sys::make_read_only(place)?;
    }
    sys::give_up_capabilities()
}
