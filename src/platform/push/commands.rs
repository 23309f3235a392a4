//! What heroku.yml and Procfile say that a pushed image does not. A release of images names process types and digests, and
//! nothing else: Heroku starts each image's own `CMD`, and as release phase that of an image of type `release` (R1.1, R1.6,
//! cli-api §7). heroku.yml counts for `git push` alone, and a Procfile not at all.

use super::choose::Chosen;
use crate::model::app::{App, CommandText};
use crate::model::launch::{same_as_cmd, shellwords_join};
use crate::model::process_type::ProcessType;

/// What was tested here and will not be at Heroku, each in a sentence. `all`: no process types were named.
pub(super) fn not_carried(app: &App, chosen: &[Chosen], all: bool) -> Vec<String> {
    let pushed = |name: &ProcessType| chosen.iter().find(|one| one.process_type == *name);
    let mut said = Vec::new();
    for (name, spec) in &app.processes {
        match pushed(name) {
            Some(one) => said.extend(spec.command.as_ref().and_then(|command| another(one, command))),
            None if all && !app.builds.contains_key(name) => said.push(format!(
                "{name} is not pushed: it has no image of its own, so Heroku will have no {name}; a Dockerfile.{name} with \
                 its command as CMD makes one"
            )),
            None => {}
        }
    }
    if let Some(release) = &app.release {
        let own = pushed(&ProcessType::release());
        match (&release.command, own) {
            (Some(command), Some(one)) => said.extend(another(one, command)),
            (Some(command), None) if all => said.push(format!(
                "no release phase is pushed: {} does not go with an image; a Dockerfile.release with `{}` as CMD makes one",
                command.origin, command.text
            )),
            _ => {}
        }
    }
    said
}

fn another(one: &Chosen, command: &CommandText) -> Option<String> {
    (!same_as_cmd(command, &one.facts)).then(|| {
        format!(
            "Heroku will start {} with its image's CMD, `{}`, and not with `{}` ({}), which is what runs here: make that \
             the CMD of its Dockerfile",
            one.process_type,
            shellwords_join(&one.facts.cmd),
            command.text,
            command.origin
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{Chosen, not_carried};
    use crate::manifest::LoadOptions;
    use crate::model::app::App;
    use crate::model::image::{ImageFacts, ImageId};

    fn app(files: &[(&str, &str)]) -> App {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        crate::manifest::load(&LoadOptions { root: folder.path().to_owned(), ..Default::default() }).unwrap().app
    }

    fn image(name: &str, cmd: &[&str]) -> Chosen {
        let cmd = cmd.iter().map(|word| (*word).to_owned()).collect();
        let facts = ImageFacts { cmd, ..Default::default() };
        Chosen { process_type: name.parse().unwrap(), image: ImageId::default(), version: None, facts }
    }

    const YML: &str = "build:\n  docker:\n    web: Dockerfile\nrun:\n  web: node web.js\n";

    #[test]
    fn r1_1_a_command_of_heroku_yml_that_is_not_the_image_s_own_is_told() {
        let app = app(&[("Dockerfile", "FROM busybox\n"), ("heroku.yml", YML)]);
        assert_eq!(not_carried(&app, &[image("web", &["node", "web.js"])], true), [""; 0]);
        let said = not_carried(&app, &[image("web", &["node", "other.js"])], true);
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("`node other.js`") && said[0].contains("`node web.js` (heroku.yml:5"), "{said:?}");
    }

    #[test]
    fn r1_6_types_and_release_phases_without_an_image_are_told() {
        let yml = format!(
            "{YML}  worker:\n    command:\n      - node work.js\n    image: web\nrelease:\n  image: web\n  command:\n    - node migrate.js\n"
        );
        let app = app(&[("Dockerfile", "FROM busybox\n"), ("heroku.yml", &yml)]);
        let web = [image("web", &["node", "web.js"])];
        let said = not_carried(&app, &web, true);
        assert!(said.len() == 2 && said[0].contains("Dockerfile.worker"), "{said:?}");
        assert!(said[1].contains("Dockerfile.release with `node migrate.js`"), "{said:?}");
        assert_eq!(not_carried(&app, &web, false), [""; 0], "who names types means these");
    }
}
