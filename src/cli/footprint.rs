//! What `up` keeps in memory while it runs.

use crate::platform::control::Control;

/// Gives back what the start alone needed, once every dyno is up.
pub(super) fn shrink(control: Control) {
    tokio::spawn(async move {
        control.until_up().await;
        #[cfg(target_os = "linux")]
        linux::release_code();
    });
}

#[cfg(target_os = "linux")]
mod linux {
    use rustix::mm::{Advice, madvise};

    /// Gives back the pages of the program's own code, most of which only the start needed. What is wanted again is mapped
    /// again, from the page cache or the file, in some microseconds for each 64 KiB.
    ///
    /// Best effort: where the system does not tell its mappings, all stays as it is.
    pub(super) fn release_code() {
        let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
        for (start, length) in maps.lines().filter_map(code) {
            forget(start, length);
        }
    }

    /// Start and length of a mapping, if it is code of a file's, and cannot be written to.
    fn code(line: &str) -> Option<(usize, usize)> {
        let mut words = line.split_ascii_whitespace();
        let (range, rights, inode) = (words.next()?, words.next()?, words.nth(2)?);
        if rights != "r-xp" || inode == "0" {
            return None;
        }
        let (start, end) = range.split_once('-')?;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        Some((start, end.checked_sub(start)?))
    }

    #[allow(unsafe_code, reason = "code that is read from its file again is what it was")]
    fn forget(start: usize, length: usize) -> bool {
        let start = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: these are mapped pages of a file that nobody writes to; they stay mapped. Refused, they stay as they are.
        unsafe { madvise(start, length, Advice::LinuxDontNeed) }.is_ok()
    }

    #[cfg(test)]
    mod tests {
        use super::{code, forget};

        #[test]
        fn code_of_files_and_nothing_else_is_given_back() {
            let line = "55bc98d1f000-55bc9a141000 r-xp 0060c000 fe:00 1234    /usr/bin/dynosim";
            assert_eq!(code(line), Some((0x55bc_98d1_f000, 0x0142_2000)));
            for other in [
                "55bc98713000-55bc98d1f000 r--p 00000000 fe:00 1234    /usr/bin/dynosim",
                "7ffcf5987000-7ffcf59ad000 r-xp 00000000 00:00 0       [vdso]",
                "7f6dc0000000-7f6dc00a7000 rwxp 00000000 00:00 0",
                "7f6dc0000000-7f6dc00a7000",
                "",
                "x-y r-xp 00000000 fe:00 1234",
            ] {
                assert_eq!(code(other), None, "{other}");
            }
        }

        #[test]
        fn the_system_takes_the_advice_and_the_program_goes_on() {
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            let code: Vec<_> = maps.lines().filter_map(code).collect();
            assert!(
                code.iter().any(|(start, length)| (*start..start + length).contains(&(forget as *const () as usize)))
            );
            assert!(code.into_iter().all(|(start, length)| forget(start, length)));
        }
    }
}
