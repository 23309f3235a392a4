//! The app's name: app.json `name`, else the folder's, in the letters that Heroku takes (R11).

use super::app_json::AppJson;
use crate::diagnostic::Diagnostic;
use crate::model::limits::APP_NAME_CHARS;
use std::path::Path;

/// The name. app.json's own may be a title for people ("Small Shop"); it is said when it had to be changed.
pub(super) fn of(app: Option<&AppJson>, root: &Path, findings: &mut Vec<Diagnostic>) -> String {
    let folder = || root.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((app, name)) = app.and_then(|app| Some((app, app.name.as_ref()?))) else {
        return sanitised(&folder()).unwrap_or_else(|| "app".into());
    };
    let chosen = sanitised(&name.value).or_else(|| sanitised(&folder())).unwrap_or_else(|| "app".into());
    if name.value.chars().count() > APP_NAME_CHARS {
        let title =
            format!("`name` of app.json is longer than {APP_NAME_CHARS} characters: the app is called {chosen}");
        let help = "Heroku refuses a longer name";
        findings.push(Diagnostic::warning(title).at(&app.file, name.span.clone(), "too long").help(help));
    } else if chosen != name.value {
        let title = format!("the app is called {chosen}: Heroku's names have small letters, digits and dashes");
        findings.push(Diagnostic::note(title).at(&app.file, name.span.clone(), "not an app name as it stands"));
    }
    chosen
}

/// `name` in small letters, digits and single inner dashes, starting with a letter; `None` when nothing is left.
fn sanitised(name: &str) -> Option<String> {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert_str(0, "app-");
    }
    out.truncate(APP_NAME_CHARS);
    let out = out.trim_end_matches('-');
    (!out.is_empty()).then(|| out.to_owned())
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::diagnostic::{Severity, SourceFile};
    use crate::manifest::app_json;
    use std::path::Path;
    use std::sync::Arc;

    fn named(json: Option<&str>, root: &str) -> (String, Vec<Severity>) {
        let app = json.map(|name| {
            let text = format!("{{\"name\": {}}}", serde_json::json!(name));
            app_json::parse(&Arc::new(SourceFile { name: "app.json".into(), text })).0
        });
        let mut findings = Vec::new();
        let name = of(app.as_ref(), Path::new(root), &mut findings);
        (name, findings.into_iter().map(|f| f.severity).collect())
    }

    #[test]
    fn r11_names_are_put_into_heroku_s_letters() {
        assert_eq!(named(None, "/home/me/My_Shop.v2"), ("my-shop-v2".into(), vec![]));
        assert_eq!(named(None, "/2048"), ("app-2048".into(), vec![]));
        assert_eq!(named(None, "/"), ("app".into(), vec![]));
        assert_eq!(named(None, "/ü--"), ("app".into(), vec![]));
        assert_eq!(named(Some("my-shop"), "/x"), ("my-shop".into(), vec![]));
        assert_eq!(named(Some("Small Shop"), "/x"), ("small-shop".into(), vec![Severity::Note]));
        let long = "a-shop-with-a-name-that-goes-on-and-on";
        assert_eq!(named(Some(long), "/x"), ("a-shop-with-a-name-that-goes-o".into(), vec![Severity::Warning]));
    }
}
