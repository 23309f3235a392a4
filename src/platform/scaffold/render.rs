//! The templates of `templates/init`, and the one place that knows their engine.

use super::context::{Context, Image};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior, context};

const TEMPLATES: &[(&str, &str)] = &[
    ("user", include_str!("../../../templates/init/user")),
    ("node.Dockerfile", include_str!("../../../templates/init/node.Dockerfile")),
    ("python.Dockerfile", include_str!("../../../templates/init/python.Dockerfile")),
    ("ruby.Dockerfile", include_str!("../../../templates/init/ruby.Dockerfile")),
    ("go.Dockerfile", include_str!("../../../templates/init/go.Dockerfile")),
    ("rust.Dockerfile", include_str!("../../../templates/init/rust.Dockerfile")),
    ("java.Dockerfile", include_str!("../../../templates/init/java.Dockerfile")),
    ("php.Dockerfile", include_str!("../../../templates/init/php.Dockerfile")),
    ("static.Dockerfile", include_str!("../../../templates/init/static.Dockerfile")),
    ("nginx.conf", include_str!("../../../templates/init/nginx.conf")),
    ("dockerignore", include_str!("../../../templates/init/dockerignore")),
    ("heroku.yml", include_str!("../../../templates/init/heroku.yml")),
    ("app.json", include_str!("../../../templates/init/app.json")),
    ("env.example", include_str!("../../../templates/init/env.example")),
    ("github.yml", include_str!("../../../templates/init/github.yml")),
    ("gitlab.yml", include_str!("../../../templates/init/gitlab.yml")),
];

/// The templates, ready to be filled in.
pub(super) struct Renderer(Environment<'static>);

impl Renderer {
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        // A line that holds nothing but a block leaves no line behind.
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            environment.set_syntax(syntax);
        }
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // None of these is a web page.
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.add_filter("json", |text: String| quoted(&text));
        environment.add_filter("yaml", |text: String| if is_plain(&text) { text } else { quoted(&text) });
        environment.add_test("top", |path: String| !path.contains('/'));
        for (name, text) in TEMPLATES {
            // Every template is rendered by the tests; one that cannot be read is reported when it is asked for.
            let _ = environment.add_template(name, text);
        }
        Self(environment)
    }

    /// One of the files around the Dockerfiles.
    pub(super) fn file(&self, template: &str, values: &Context) -> Result<String, String> {
        self.render(template, Value::from(Serde(values)))
    }

    /// The Dockerfile of one image.
    pub(super) fn dockerfile(&self, values: &Context, image: &Image) -> Result<String, String> {
        let words: Vec<String> = image.words.iter().map(|word| quoted(word)).collect();
        let cmd = format!("[{}]", words.join(", "));
        let template = format!("{}.Dockerfile", values.language);
        self.render(&template, context! { type => image.name.as_str(), cmd, app => values.app.as_str(), s => Value::from(Serde(&values.s)) })
    }

    fn render(&self, template: &str, values: Value) -> Result<String, String> {
        let template = self.0.get_template(template).map_err(|error| error.to_string())?;
        template.render(values).map(|text| tidy(&text)).map_err(|error| error.to_string())
    }
}

/// A text in JSON's quotes, which YAML and Dockerfiles understand too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether YAML reads a text as it stands, as a text.
fn is_plain(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || " _-./:=$,@+".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '.');
    let taken = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    starts
        && text.chars().all(word)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !taken.contains(&text.to_ascii_lowercase().as_str())
}

/// No blanks at the ends of lines, never two empty lines in a row, none at the start, one line end at the end.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() && (out.is_empty() || out.ends_with("\n\n")) {
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    let mut out = out.trim_end().to_owned();
    out.push('\n');
    out
}
