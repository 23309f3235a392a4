//! Compiles the dynos' init (`src/init`), a small static program for the target's Linux, so that the library can carry
//! it. Where that cannot be done (another system, no static C library) the build goes on without it: the engine then
//! falls back to Docker's own init and says what is only approximate.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/init");
    println!("cargo::rustc-check-cfg=cfg(dynosim_init)");
    match compile_init() {
        Ok(program) => {
            println!("cargo::rustc-cfg=dynosim_init");
            println!("cargo::rustc-env=DYNOSIM_INIT={}", program.display());
        }
        Err(reason) => println!("cargo::rustc-env=DYNOSIM_INIT_MISSING={}", reason.replace('\n', " ")),
    }
}

fn compile_init() -> Result<PathBuf, String> {
    let variable = |name: &str| env::var(name).map_err(|_| format!("cargo did not set {name}"));
    let (target, folder) = (variable("TARGET")?, variable("OUT_DIR")?);
    if variable("CARGO_CFG_TARGET_OS")? != "linux" {
        return Err(format!("this dynosim was built for {target}, and dynos run on Linux"));
    }
    let program = Path::new(&folder).join("dyno-init");
    let mut rustc = Command::new(variable("RUSTC")?);
    rustc.args(["--edition=2024", "--crate-name=dyno_init", "--crate-type=bin", "--target", &target]);
    for option in ["opt-level=z", "panic=abort", "strip=symbols", "target-feature=+crt-static"] {
        rustc.args(["-C", option]);
    }
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg("-C").arg(format!("linker={linker}"));
    }
    let output = rustc.arg("-o").arg(&program).arg("src/init/main.rs").output();
    let output = output.map_err(|error| format!("rustc did not start: {error}"))?;
    if output.status.success() {
        return Ok(program);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let reason = words.lines().find(|line| line.starts_with("error")).unwrap_or("rustc failed");
    Err(format!("it could not be compiled for {target}: {reason}"))
}
