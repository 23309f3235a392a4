//! The only place where the manifest touches files' contents.

use crate::diagnostic::{Diagnostic, SourceFile};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No manifest of a person is larger; a larger file is something else under its name.
const MOST_BYTES: u64 = 1024 * 1024;

/// The text of a file, known to the user as `name`; `None` when there is none. A pipe (`-e <(…)`) is read as well.
pub(crate) fn read(path: &Path, name: &str) -> Result<Option<Arc<SourceFile>>, Diagnostic> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Diagnostic::error(format!("{name} cannot be read: {error}"))),
    }
    if bytes.len() as u64 > MOST_BYTES {
        let finding = Diagnostic::error(format!("{name} is larger than {} kB", MOST_BYTES / 1024));
        return Err(finding.help("a file of this kind has a few lines; is it another file under this name?"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|b| *b == b'\n').count();
        Diagnostic::error(format!("{name} is not UTF-8 text: see line {line}")).help("save it as UTF-8")
    })?;
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    Ok(Some(Arc::new(SourceFile { name: name.to_owned(), text })))
}

/// The real path of a folder.
pub(super) fn real_folder(path: &Path) -> Result<PathBuf, Diagnostic> {
    match path.canonicalize() {
        Ok(real) if real.is_dir() => Ok(real),
        Ok(_) => Err(Diagnostic::error(format!("{} is not a folder", path.display()))),
        Err(error) => Err(Diagnostic::error(format!("the folder {} cannot be opened: {error}", path.display()))),
    }
}

/// Files whose names are nearly right, which Heroku would not read.
pub(super) fn misnamed(root: &Path) -> Vec<Diagnostic> {
    const NEARLY: &[(&str, &[&str])] = &[
        ("heroku.yml", &["heroku.yaml", "Heroku.yml", "heroku.yml.txt", ".heroku.yml"]),
        ("Procfile", &["procfile", "ProcFile", "Procfile.txt"]),
        ("app.json", &["App.json", "app.jsonc"]),
    ];
    let Ok(folder) = root.read_dir() else { return Vec::new() };
    let names: Vec<String> = folder.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    NEARLY
        .iter()
        .filter(|(right, _)| !names.iter().any(|n| n == right))
        .flat_map(|(right, nearly)| nearly.iter().map(move |n| (right, n)))
        .filter(|(_, nearly)| names.iter().any(|n| n == *nearly))
        .map(|(right, nearly)| {
            let code = match *right {
                "heroku.yml" => "D045",
                "Procfile" => "D046",
                _ => "D054",
            };
            Diagnostic::warning(format!("{nearly} is not read"))
                .help(format!("the name must be {right} exactly"))
                .code(code)
        })
        .collect()
}
