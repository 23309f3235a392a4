//! Where a machine keeps the authorities it trusts, and which commands put one there or take it away. Nothing is run
//! here: a face shows the commands and, if it may, runs them.

use std::fs;
use std::path::{Path, PathBuf};

/// What the plan depends on.
pub struct Machine<'a> {
    /// Whether this is macOS.
    pub macos: bool,
    /// The user's id; 0 needs no `sudo`.
    pub uid: u32,
    /// The user's home.
    pub home: PathBuf,
    /// Whether a program can be found.
    pub has_program: &'a dyn Fn(&str) -> bool,
}

/// The authority to put or take away.
pub struct Anchor<'a> {
    /// Its certificate's file.
    pub path: &'a Path,
    /// What it is called in lists; `None` if its file cannot be read any more.
    pub name: Option<&'a str>,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Only root can run it.
    pub root: bool,
    /// Its failure does not matter: what it takes away may not be there.
    pub may_fail: bool,
}

/// What there is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The commands, in order.
    pub steps: Vec<Step>,
    /// What the commands do not reach, and how to reach it.
    pub notes: Vec<String>,
}

/// Bundles of all authorities that a system trusts, wherever a system has one.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A system's folder for authorities of its own, the program that reads it, and what that is told after a removal.
const STORES: [(&str, &str, &[&str]); 4] = [
    // Debian, Ubuntu, Alpine.
    ("/usr/local/share/ca-certificates", "update-ca-certificates", &["--fresh"]),
    // openSUSE.
    ("/etc/pki/trust/anchors", "update-ca-certificates", &[]),
    // Fedora, RHEL.
    ("/etc/pki/ca-trust/source/anchors", "update-ca-trust", &[]),
    // Arch.
    ("/etc/ca-certificates/trust-source/anchors", "update-ca-trust", &[]),
];

/// Whether the system's own store is known to have the certificate; browsers may have stores of their own.
pub fn is_trusted(pem: &str, macos: bool) -> bool {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let has = |text: &str| !body.is_empty() && text.split_whitespace().collect::<String>().contains(&body);
    if macos {
        // The keychains are no files to read.
        let found = std::process::Command::new("security").args(["find-certificate", "-a", "-p"]).output();
        return found.is_ok_and(|found| has(&String::from_utf8_lossy(&found.stdout)));
    }
    BUNDLES.iter().filter_map(|path| fs::read_to_string(path).ok()).any(|text| has(&text))
}

/// What installs the authority.
pub fn install(machine: &Machine<'_>, anchor: &Anchor<'_>) -> Plan {
    let file = anchor.path.display().to_string();
    let mut plan = Plan::default();
    if machine.macos {
        let keychain = machine.home.join("Library/Keychains/login.keychain-db").display().to_string();
        plan.steps.push(step(false, &["security", "add-trusted-cert", "-r", "trustRoot", "-k", &keychain, &file]));
    } else if let Some((folder, program, _)) = store(machine) {
        let target = target(machine, folder);
        plan.steps.push(step(true, &["install", "-m", "0644", &file, &target]));
        plan.steps.push(step(true, &[program]));
    } else if (machine.has_program)("trust") {
        plan.steps.push(step(true, &["trust", "anchor", "--store", &file]));
    } else {
        plan.notes.push(format!("this system's store is not one that dynosim knows: import {file} into it by hand"));
    }
    browsers(machine, &mut plan, |database| {
        let name = anchor.name.unwrap_or("dynosim local CA");
        step(false, &["certutil", "-A", "-d", database, "-t", "C,,", "-n", name, "-i", &file])
    });
    plan
}

/// What takes it away again, also when the certificate's file cannot be read any more.
pub fn uninstall(machine: &Machine<'_>, anchor: &Anchor<'_>) -> Plan {
    let file = anchor.path.display().to_string();
    let mut plan = Plan::default();
    if machine.macos {
        plan.steps.push(Step { may_fail: true, ..step(false, &["security", "remove-trusted-cert", &file]) });
    } else if let Some((folder, program, after)) = store(machine) {
        plan.steps.push(step(true, &["rm", "-f", &target(machine, folder)]));
        plan.steps.push(step(true, &[&[*program][..], after].concat()));
    } else if (machine.has_program)("trust") {
        plan.steps.push(step(true, &["trust", "anchor", "--remove", &file]));
    } else {
        plan.notes.push("this system's store is not one that dynosim knows: remove it by hand".to_owned());
    }
    if let Some(name) = anchor.name {
        forget(machine, name, &mut plan);
    }
    plan
}

/// What takes an authority out of the stores that know it by its name: those keep an old one beside a new one.
pub fn forget(machine: &Machine<'_>, name: &str, plan: &mut Plan) {
    if machine.macos {
        plan.steps.push(Step { may_fail: true, ..step(false, &["security", "delete-certificate", "-c", name]) });
    }
    browsers(machine, plan, |database| Step {
        may_fail: true,
        ..step(false, &["certutil", "-D", "-d", database, "-n", name])
    });
}

impl Step {
    /// As a line for a shell; with `sudo` when root has to run it and the user is not root.
    pub fn line(&self, uid: u32) -> String {
        let words: Vec<String> = self.argv.iter().map(|word| quoted(word)).collect();
        let sudo = if self.root && uid != 0 { "sudo " } else { "" };
        format!("{sudo}{}", words.join(" "))
    }
}

fn step(root: bool, argv: &[&str]) -> Step {
    Step { argv: argv.iter().map(|word| (*word).to_owned()).collect(), root, may_fail: false }
}

fn store(machine: &Machine<'_>) -> Option<&'static (&'static str, &'static str, &'static [&'static str])> {
    STORES.iter().find(|(folder, program, _)| Path::new(folder).is_dir() && (machine.has_program)(program))
}

/// Each user of a machine has an authority of their own.
fn target(machine: &Machine<'_>, folder: &str) -> String {
    format!("{folder}/dynosim-{}.crt", machine.uid)
}

/// Firefox, and on Linux Chrome too, trust what their own databases hold.
fn browsers(machine: &Machine<'_>, plan: &mut Plan, step: impl Fn(&str) -> Step) {
    let databases = databases(&machine.home);
    if databases.is_empty() {
        return;
    }
    if (machine.has_program)("certutil") {
        plan.steps.extend(databases.iter().map(|path| step(&format!("sql:{}", path.display()))));
    } else {
        plan.notes.push(
            "Firefox, and Chrome on Linux, have stores of their own, which need `certutil` (Debian: libnss3-tools, \
             Fedora: nss-tools, Arch and Homebrew: nss): install it and run this again, or use the browser's settings"
                .to_owned(),
        );
    }
}

/// The certificate databases of the user's browsers.
fn databases(home: &Path) -> Vec<PathBuf> {
    let mut all = vec![home.join(".pki/nssdb"), home.join("snap/chromium/current/.pki/nssdb")];
    for profiles in [
        ".mozilla/firefox",
        "snap/firefox/common/.mozilla/firefox",
        ".var/app/org.mozilla.firefox/.mozilla/firefox",
        "Library/Application Support/Firefox/Profiles",
    ] {
        let entries = fs::read_dir(home.join(profiles)).into_iter().flatten();
        all.extend(entries.filter_map(Result::ok).map(|entry| entry.path()));
    }
    all.retain(|path| path.join("cert9.db").is_file());
    all.sort();
    all
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,+@".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Anchor, Machine, install, is_trusted, uninstall};
    use std::path::Path;

    fn lines(plan: &super::Plan, uid: u32) -> Vec<String> {
        plan.steps.iter().map(|step| step.line(uid)).collect()
    }

    fn anchor() -> Anchor<'static> {
        Anchor { path: Path::new("/home/ann/My Config/ca.pem"), name: Some("dynosim local CA 3f9a1c22") }
    }

    #[test]
    fn on_macos_the_login_keychain_takes_it_without_root() {
        let machine = Machine { macos: true, uid: 501, home: "/Users/ann".into(), has_program: &|_| true };
        let plan = install(&machine, &anchor());
        assert_eq!(
            lines(&plan, 501),
            ["security add-trusted-cert -r trustRoot -k /Users/ann/Library/Keychains/login.keychain-db \
              '/home/ann/My Config/ca.pem'"]
        );
        assert!(lines(&uninstall(&machine, &anchor()), 501)[0].starts_with("security remove-trusted-cert"));
    }

    #[test]
    fn a_system_that_is_not_known_gets_a_word_instead_of_commands() {
        let machine = Machine { macos: false, uid: 1000, home: "/nowhere".into(), has_program: &|_| false };
        let plan = install(&machine, &anchor());
        assert!(plan.steps.is_empty());
        assert!(plan.notes[0].contains("/home/ann/My Config/ca.pem"), "{:?}", plan.notes);
    }

    #[test]
    fn where_root_is_needed_the_line_says_sudo_unless_one_is_root() {
        let only_trust = |name: &str| name == "trust";
        let machine = Machine { macos: false, uid: 1000, home: "/nowhere".into(), has_program: &only_trust };
        let plan = install(&machine, &anchor());
        assert_eq!(lines(&plan, 1000), ["sudo trust anchor --store '/home/ann/My Config/ca.pem'"]);
        assert_eq!(lines(&plan, 0), ["trust anchor --store '/home/ann/My Config/ca.pem'"]);
    }

    #[test]
    fn browsers_databases_are_filled_with_certutil_or_the_lack_of_it_is_said() {
        let home = tempfile::tempdir().unwrap();
        for profile in [".pki/nssdb", ".mozilla/firefox/x.default"] {
            std::fs::create_dir_all(home.path().join(profile)).unwrap();
            std::fs::write(home.path().join(profile).join("cert9.db"), "").unwrap();
        }
        std::fs::create_dir_all(home.path().join(".mozilla/firefox/Crash Reports")).unwrap();
        let machine = |has_program| Machine { macos: false, uid: 1, home: home.path().to_owned(), has_program };
        let with = install(&machine(&|name| name == "certutil"), &anchor());
        let certutil = lines(&with, 1).into_iter().filter(|line| line.starts_with("certutil -A -d sql:")).count();
        assert_eq!(certutil, 2, "{with:?}");
        let away = uninstall(&machine(&|name| name == "certutil"), &anchor());
        assert!(away.steps.iter().all(|step| step.may_fail && step.argv.contains(&"-D".to_owned())), "{away:?}");
        let without = install(&machine(&|_| false), &anchor());
        assert!(without.notes.iter().any(|note| note.contains("libnss3-tools")), "{without:?}");
    }

    #[test]
    fn a_certificate_that_is_nowhere_is_not_trusted() {
        assert!(!is_trusted("", false));
        assert!(!is_trusted("-----BEGIN CERTIFICATE-----\nbm90IHRoZXJl\n-----END CERTIFICATE-----\n", false));
    }
}
