//! The environment of a dyno: what R8 says, and nothing of the host's.

use crate::model::config_vars::{ConfigVars, Origin};
use crate::model::dyno::DynoName;
use crate::model::image::ImageFacts;
use crate::model::release::Version;

/// Dyno metadata (labs `runtime-dyno-metadata`, R8); given to dynos by switch. `HEROKU_DYNO_ID` is not among it:
/// Heroku does not give it to Container Registry apps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// `HEROKU_APP_ID`: a UUID.
    pub app_id: String,
    /// `HEROKU_APP_NAME`.
    pub app_name: String,
    /// `HEROKU_RELEASE_VERSION`.
    pub version: Version,
    /// `HEROKU_RELEASE_CREATED_AT`: `2015-04-02T18:00:42Z`.
    pub created_at: String,
    /// `HEROKU_SLUG_COMMIT`: 40 hex digits, when the project is a git checkout.
    pub commit: Option<String>,
    /// `HEROKU_SLUG_DESCRIPTION`.
    pub description: String,
}

/// Every variable of the dyno with its origin. Later layers win: image, HOME rule, config vars, platform.
pub fn of(
    image: &ImageFacts,
    config: &ConfigVars,
    metadata: Option<&Metadata>,
    dyno: &DynoName,
    port: Option<u16>,
) -> ConfigVars {
    let mut all = ConfigVars::new();
    for (name, value) in &image.env {
        all.set(name, value, Origin::Image);
    }
    if image.env("HOME").is_none() {
        let (home, rule) = home_of(image);
        all.set("HOME", home, Origin::Rule(rule));
    }
    for (name, var) in config.iter() {
        all.set(name, &var.value, var.origin.clone());
    }
    if let Some(metadata) = metadata {
        for (name, value) in metadata.variables() {
            all.set(name, value, Origin::Platform);
        }
    }
    all.set("DYNO", dyno.to_string(), Origin::Platform);
    if let Some(port) = port {
        all.set("PORT", port.to_string(), Origin::Platform);
    }
    all
}

/// HOME where neither image nor config sets it: `/app` if the image has it, else `/` (R13#11).
fn home_of(image: &ImageFacts) -> (&'static str, &'static str) {
    if image.files.has_app_dir {
        ("/app", "rule: the image sets no HOME and has /app")
    } else {
        ("/", "rule: the image sets no HOME and has no /app")
    }
}

impl Metadata {
    fn variables(&self) -> Vec<(&'static str, String)> {
        let suffix: String = self.app_id.chars().filter(char::is_ascii_hexdigit).take(12).collect();
        let mut all = vec![
            ("HEROKU_APP_ID", self.app_id.clone()),
            ("HEROKU_APP_NAME", self.app_name.clone()),
            ("HEROKU_APP_DEFAULT_DOMAIN_NAME", format!("{}-{suffix}.herokuapp.com", self.app_name)),
            ("HEROKU_RELEASE_VERSION", self.version.to_string()),
            ("HEROKU_RELEASE_CREATED_AT", self.created_at.clone()),
            ("HEROKU_SLUG_DESCRIPTION", self.description.clone()),
            ("HEROKU_BUILD_DESCRIPTION", self.description.clone()),
        ];
        if let Some(commit) = &self.commit {
            all.push(("HEROKU_SLUG_COMMIT", commit.clone()));
            all.push(("HEROKU_BUILD_COMMIT", commit.clone()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::engine::fake::usual_image;
    use crate::model::config_vars::{ConfigVars, Origin};
    use crate::model::dyno::DynoName;
    use crate::model::process_type::ProcessType;

    #[test]
    fn r8_config_vars_override_image_env_and_the_platform_overrides_both() {
        let mut image = usual_image("a");
        image.env = vec![("MODE".into(), "image".into()), ("PORT".into(), "80".into())];
        let mut config = ConfigVars::new();
        config.set("MODE", "config", Origin::EnvFile(".env".into(), 1));
        let web = DynoName::new(ProcessType::web(), 1);
        let env = of(&image, &config, None, &web, Some(43127));
        assert_eq!(env.get("MODE").unwrap().value, "config");
        assert_eq!(env.get("PORT").unwrap().value, "43127");
        assert_eq!(env.get("DYNO").unwrap().value, "web.1");
    }

    #[test]
    fn r13_11_home_is_the_image_s_else_app_else_root() {
        let worker = DynoName::new(ProcessType::new("worker").unwrap(), 1);
        let none = ConfigVars::new();
        let mut image = usual_image("a");
        assert_eq!(of(&image, &none, None, &worker, None).get("HOME").unwrap().value, "/app");
        image.files.has_app_dir = false;
        assert_eq!(of(&image, &none, None, &worker, None).get("HOME").unwrap().value, "/");
        image.env = vec![("HOME".into(), "/srv".into())];
        assert_eq!(of(&image, &none, None, &worker, None).get("HOME").unwrap().value, "/srv");
    }

    #[test]
    fn r13_20_only_web_gets_port() {
        let worker = DynoName::new(ProcessType::new("worker").unwrap(), 1);
        assert!(of(&usual_image("a"), &ConfigVars::new(), None, &worker, None).get("PORT").is_none());
    }
}
