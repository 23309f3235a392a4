//! app.json to typed sections (R4). Heroku reads it when an app is created; dynosim at every start.

use super::node::{Entry, Located, Node, Reader, Value, similar};
use super::{addons, json};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::model::app::{Addon, Scripts};
use crate::model::dyno::{DynoSize, SIZES};
use crate::model::process_type::ProcessType;
use std::sync::Arc;

/// Keys that the schema knows and dynosim has no use for.
const UNUSED: &[&str] = &[
    "$schema",
    "description",
    "website",
    "repository",
    "logo",
    "success_url",
    "keywords",
    "buildpacks",
    "stack",
    "image",
];

/// The file, section by section.
#[derive(Debug)]
pub(super) struct AppJson {
    /// The file, to point at.
    pub(super) file: Arc<SourceFile>,
    /// `name`.
    pub(super) name: Option<Located<String>>,
    /// Everything that an environment can replace.
    pub(super) base: Section,
    /// `environments.test`: its keys replace those of the base completely.
    pub(super) test: Option<Section>,
}

/// The keys that stand at the top and in each of `environments`. `None`: the key is absent.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// `env`.
    pub(super) env: Option<Vec<Variable>>,
    /// `formation`.
    pub(super) formation: Option<Vec<Wanted>>,
    /// `addons`.
    pub(super) addons: Option<Vec<Addon>>,
    /// `scripts.postdeploy` and `scripts.pr-predestroy`.
    pub(super) scripts: Scripts,
    /// `scripts.test-setup`.
    pub(super) test_setup: Option<String>,
    /// `scripts.test`.
    pub(super) test: Option<String>,
}

/// One entry of `env`.
#[derive(Debug)]
pub(super) struct Variable {
    /// The name, at its place.
    pub(super) name: Located<String>,
    /// `description`.
    pub(super) description: Option<String>,
    /// `value`.
    pub(super) value: Option<String>,
    /// `required`; true unless the file says otherwise.
    pub(super) required: bool,
    /// `generator: secret`.
    pub(super) secret: bool,
}

/// One entry of `formation`.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The process type, at its place.
    pub(super) process_type: Located<ProcessType>,
    /// `quantity`.
    pub(super) quantity: Option<u32>,
    /// `size`.
    pub(super) size: Option<DynoSize>,
}

/// Reads the file as far as it can be read, with everything that is wrong with it.
pub(super) fn parse(file: &Arc<SourceFile>) -> (AppJson, Vec<Diagnostic>) {
    let mut app = AppJson { file: Arc::clone(file), name: None, base: Section::default(), test: None };
    match json::parse(file) {
        Err(fault) => (app, vec![fault]),
        Ok(root) => {
            let mut reader = Reader::new(file);
            app.read(&mut reader, &root);
            (app, reader.findings)
        }
    }
}

impl AppJson {
    fn read(&mut self, reader: &mut Reader, root: &Node) {
        for entry in reader.map(root, "app.json", "{ \"name\": \"my-app\" }") {
            match entry.key.as_str() {
                "name" => self.name = reader.filled_text(&entry.node, "name", "\"name\": \"my-app\""),
                "environments" => {
                    for one in reader.map(&entry.node, "environments", "\"environments\": {\"test\": {}}") {
                        match one.key.as_str() {
                            "test" => self.test = Some(Section::environment(reader, &one.node)),
                            "review" => {}
                            _ => unknown(reader, "environments", one, &["test", "review"]),
                        }
                    }
                }
                _ if self.base.read(reader, entry) => {}
                key if UNUSED.contains(&key) => {}
                _ => {
                    let known = ["name", "environments", "env", "formation", "addons", "scripts"];
                    unknown(reader, "", entry, &known);
                }
            }
        }
    }
}

impl Section {
    fn environment(reader: &mut Reader, node: &Node) -> Self {
        let mut section = Self::default();
        for entry in reader.map(node, "environments.test", "\"test\": {}") {
            if !section.read(reader, entry) && !UNUSED.contains(&entry.key.as_str()) {
                unknown(reader, "environments.test", entry, &["env", "formation", "addons", "scripts"]);
            }
        }
        section
    }

    /// Takes `entry` in; `false` when its key is none of a section.
    fn read(&mut self, reader: &mut Reader, entry: &Entry) -> bool {
        match entry.key.as_str() {
            "env" => {
                let entries = reader.map(&entry.node, "env", "\"env\": {\"NAME\": \"value\"}");
                self.env = Some(entries.iter().filter_map(|e| variable(reader, e)).collect());
            }
            "formation" => {
                let entries = reader.map(&entry.node, "formation", "\"formation\": {\"web\": {\"quantity\": 1}}");
                self.formation = Some(entries.iter().filter_map(|e| wanted(reader, e)).collect());
            }
            "addons" => self.addons = Some(addon_list(reader, &entry.node)),
            "scripts" => self.scripts(reader, &entry.node),
            _ => return false,
        }
        true
    }

    fn scripts(&mut self, reader: &mut Reader, node: &Node) {
        for entry in reader.map(node, "scripts", "\"scripts\": {\"postdeploy\": \"command\"}") {
            let slot = match entry.key.as_str() {
                "postdeploy" => &mut self.scripts.postdeploy,
                "pr-predestroy" => &mut self.scripts.pr_predestroy,
                "test-setup" => &mut self.test_setup,
                "test" => &mut self.test,
                _ => {
                    unknown(reader, "scripts", entry, &["postdeploy", "pr-predestroy", "test-setup", "test"]);
                    continue;
                }
            };
            *slot = script(reader, entry);
        }
    }
}

/// A script is a text, or a map with `command` (and `size`, which is of no use here).
fn script(reader: &mut Reader, entry: &Entry) -> Option<String> {
    let path = format!("scripts.{}", entry.key);
    let example = format!("\"{}\": \"command\"", entry.key);
    let mut node = &entry.node;
    if let Value::Map(keys) = &entry.node.value {
        let Some(command) = keys.iter().find(|k| k.key == "command") else {
            reader.wrong_kind(node, &path, "a map with `command`", &example);
            return None;
        };
        node = &command.node;
    }
    reader.filled_text(node, &path, &example).map(|text| text.value)
}

fn variable(reader: &mut Reader, entry: &Entry) -> Option<Variable> {
    let path = format!("env.{}", entry.key);
    let name = Located { value: entry.key.clone(), span: entry.key_span.clone() };
    let mut variable = Variable { name, description: None, value: None, required: true, secret: false };
    match &entry.node.value {
        Value::Text(value) | Value::Plain(value) => variable.value = Some(value.clone()),
        Value::Map(keys) => {
            for key in keys {
                variable.read(reader, &path, key);
            }
        }
        _ => {
            let example = format!("\"{}\": \"value\"", entry.key);
            reader.wrong_kind(&entry.node, &path, "a text, or a map with `value`, `required`, `description`", &example);
            return None;
        }
    }
    Some(variable)
}

impl Variable {
    fn read(&mut self, reader: &mut Reader, path: &str, entry: &Entry) {
        let node = &entry.node;
        let path = format!("{path}.{}", entry.key);
        match entry.key.as_str() {
            _ if node.value == Value::Null => {}
            "description" => self.description = node.scalar().map(str::to_owned),
            "value" => self.value = reader.text(node, &path, "\"value\": \"text\"").map(|v| v.value),
            "required" => match node.scalar() {
                Some("true") => self.required = true,
                Some("false") => self.required = false,
                _ => reader.wrong_kind(node, &path, "true or false", "\"required\": false"),
            },
            "generator" if node.scalar() == Some("secret") => self.secret = true,
            "generator" => {
                let title =
                    format!("`{path}` is not `secret`, the only generator that is documented: it is passed over");
                reader.warn(&node.span, title, "expected `secret`", "write it as `\"generator\": \"secret\"`");
            }
            _ => unknown(reader, "env", entry, &["description", "value", "required", "generator"]),
        }
    }
}

fn wanted(reader: &mut Reader, entry: &Entry) -> Option<Wanted> {
    let path = format!("formation.{}", entry.key);
    let example = format!("\"{}\": {{\"quantity\": 1, \"size\": \"basic\"}}", entry.key);
    let process_type = match ProcessType::new(entry.key.as_str()) {
        Ok(value) => Located { value, span: entry.key_span.clone() },
        Err(bad) => {
            reader.error(
                &entry.key_span,
                bad.to_string(),
                "expected a process type",
                "a name such as `web` or `worker`",
            );
            return None;
        }
    };
    let mut wanted = Wanted { process_type, quantity: None, size: None };
    for key in reader.map(&entry.node, &path, &example) {
        match key.key.as_str() {
            "quantity" => match key.node.scalar().and_then(|text| text.parse().ok()) {
                Some(quantity) => wanted.quantity = Some(quantity),
                None => reader.wrong_kind(&key.node, &format!("{path}.quantity"), "a whole number", "\"quantity\": 1"),
            },
            "size" => wanted.size = size(reader, &key.node, &format!("{path}.size")),
            _ => unknown(reader, &path, key, &["quantity", "size"]),
        }
    }
    Some(wanted)
}

fn size(reader: &mut Reader, node: &Node, path: &str) -> Option<DynoSize> {
    let name = reader.text(node, path, "\"size\": \"basic\"")?.value;
    let size = DynoSize::named(&name);
    if size.is_none() {
        let names: Vec<String> = SIZES.iter().map(|s| s.name.to_ascii_lowercase()).collect();
        let title = format!("`{name}` is not a dyno size");
        reader.error(&node.span, title, "expected a size", format!("the sizes are {}", names.join(", ")));
    }
    size
}

fn addon_list(reader: &mut Reader, node: &Node) -> Vec<Addon> {
    const EXAMPLE: &str = "\"addons\": [\"heroku-postgresql\"]";
    let Value::List(items) = &node.value else {
        reader.wrong_kind(node, "addons", "a list", EXAMPLE);
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in items {
        let (plan, attached_as) = match &item.value {
            Value::Text(plan) => (Some(plan.clone()), None),
            Value::Map(keys) => {
                let text = |name: &str| keys.iter().find(|k| k.key == name).and_then(|k| k.node.scalar());
                (text("plan").map(str::to_owned), text("as").map(str::to_owned))
            }
            _ => (None, None),
        };
        match plan {
            Some(plan) => {
                let origin = format!("{}:{}", reader.file.name, reader.line(&item.span));
                found.push(addons::addon(plan, attached_as, origin));
            }
            None => reader.wrong_kind(item, "addons[]", "a text, or a map with `plan`", EXAMPLE),
        }
    }
    found
}

/// A key outside of the schema does nothing that is documented, so a note is all it takes.
fn unknown(reader: &mut Reader, section: &str, entry: &Entry, known: &[&str]) {
    let path = if section.is_empty() { entry.key.clone() } else { format!("{section}.{}", entry.key) };
    let meant = similar(&entry.key, known).map(|k| format!("; did you mean `{k}`?")).unwrap_or_default();
    reader.note(&entry.key_span, format!("`{path}` is not a key of app.json{meant}"), "without effect");
    if let Some(finding) = reader.findings.last_mut() {
        finding.code = Some("D054");
    }
}

#[cfg(test)]
mod tests {
    use super::{AppJson, parse};
    use crate::diagnostic::{Diagnostic, Severity, SourceFile};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn read(text: &str) -> (AppJson, Vec<Diagnostic>) {
        parse(&Arc::new(SourceFile { name: "app.json".into(), text: text.into() }))
    }

    #[test]
    fn r4_the_sections_that_matter_are_read_and_the_others_passed_over() {
        let (app, findings) = read(
            r#"{
              "name": "Small Shop", "description": "…", "keywords": ["x"], "logo": "…", "stack": "container",
              "buildpacks": [{"url": "x"}],
              "env": {
                "PLAIN": "a", "NUMBER": 5, "EMPTY": "",
                "KEY": {"description": "Stripe's key"},
                "MAYBE": {"required": false},
                "SECRET": {"generator": "secret", "description": null}
              },
              "formation": {"web": {"quantity": 2, "size": "Standard-2X"}, "clock": {"size": "basic"}},
              "addons": ["heroku-redis", {"plan": "heroku-postgresql", "as": "MAIN", "options": {"version": "16"}}],
              "scripts": {"postdeploy": {"command": "rake seed", "size": "basic"}},
              "environments": {
                "review": {"whatever": 1},
                "test": {"env": {"RACK_ENV": "test"}, "scripts": {"test-setup": "rake db:setup", "test": "rake"}}
              }
            }"#,
        );
        assert_eq!(findings, []);
        let env = app.base.env.unwrap();
        let values: Vec<Option<&str>> = env.iter().map(|v| v.value.as_deref()).collect();
        assert_eq!(values, [Some("a"), Some("5"), Some(""), None, None, None]);
        assert_eq!(env.iter().map(|v| v.required).collect::<Vec<_>>(), [true, true, true, true, false, true]);
        assert!(env[5].secret);
        assert_eq!(env[3].description.as_deref(), Some("Stripe's key"));
        let formation = app.base.formation.unwrap();
        assert_eq!((formation[0].quantity, formation[0].size.unwrap().name), (Some(2), "Standard-2X"));
        assert_eq!(formation[1].quantity, None);
        assert_eq!(app.base.addons.unwrap()[1].variables, ["MAIN_URL"]);
        assert_eq!(app.base.scripts.postdeploy.as_deref(), Some("rake seed"));
        let test = app.test.unwrap();
        assert_eq!(test.env.unwrap()[0].value.as_deref(), Some("test"));
        assert_eq!((test.test_setup.as_deref(), test.test.as_deref()), (Some("rake db:setup"), Some("rake")));
        assert!(test.formation.is_none());
    }

    #[test]
    fn r4_values_of_the_wrong_kind_are_refused_at_their_line() {
        for (text, says) in [
            ("[]", "`app.json` holds a list"),
            ("{\"name\": {}}", "`name` holds a map"),
            ("{\"env\": []}", "`env` holds a list"),
            ("{\"env\": {\"A\": []}}", "`env.A` holds a list"),
            ("{\"env\": {\"A\": {\"required\": \"no\"}}}", "expected true or false"),
            ("{\"formation\": {\"web\": 2}}", "\"quantity\": 1"),
            ("{\"formation\": {\"web\": {\"quantity\": -1}}}", "expected a whole number"),
            ("{\"formation\": {\"web\": {\"size\": \"huge\"}}}", "eco, basic, standard-1x"),
            ("{\"formation\": {\"a b\": {}}}", "not a process type"),
            ("{\"addons\": {}}", "`addons` holds a map"),
            ("{\"addons\": [{\"as\": \"X\"}]}", "a map with `plan`"),
            ("{\"scripts\": {\"postdeploy\": {\"size\": \"x\"}}}", "a map with `command`"),
        ] {
            let (_, findings) = read(&format!("\n{text}\n"));
            assert_eq!(findings.len(), 1, "{text}");
            let said = findings[0].render(false);
            assert_eq!((findings[0].severity, findings[0].line()), (Severity::Error, Some(2)), "{said}");
            assert!(said.contains(says), "{says} in {said}");
        }
    }

    #[test]
    fn r4_unknown_keys_are_notes_that_guess_what_was_meant() {
        let (_, findings) = read("{\"formations\": {}, \"healthchecks\": {}, \"env\": {\"A\": {\"values\": \"x\"}}}");
        assert!(findings.iter().all(|f| f.severity == Severity::Note));
        let said: Vec<&str> = findings.iter().map(|f| f.title.as_str()).collect();
        assert!(said[0].ends_with("did you mean `formation`?"), "{said:?}");
        assert!(said[2].ends_with("did you mean `value`?"), "{said:?}");
    }

    proptest! {
        #[test]
        fn no_json_of_any_shape_panics(text in "(\\{\"(env|formation|addons|scripts|name|environments)\":)(\\{\"(A|web|test|size)\":)?(1|\"x\"|null|true|\\[1\\]|\\{\\})\\}?\\}?") {
            for finding in read(&text).1 {
                prop_assert!(!finding.render(false).is_empty());
            }
        }
    }
}
