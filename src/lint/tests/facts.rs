//! The rules that look at images which are built.

use crate::lint::{check, settings};
use crate::manifest::{LoadOptions, load};
use crate::model::image::ImageFacts;
use crate::model::process_type::ProcessType;

fn found(facts: &ImageFacts, dockerfile: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    let loaded = load(&LoadOptions { root: folder.path().to_owned(), ..LoadOptions::default() }).unwrap();
    let found = check(&loaded, &[(ProcessType::web(), facts)], &settings(folder.path()).unwrap());
    assert!(found.findings.iter().all(|one| one.diagnostic.place.is_some()), "programs show files with findings only");
    found.findings.iter().map(|one| format!("{} {}", one.rule.id, one.diagnostic.title)).collect()
}

const PLAIN: &str = "FROM me/app\nCMD [\"serve\"]\n";

fn usual() -> ImageFacts {
    ImageFacts { architecture: "amd64".into(), os: "linux".into(), layers: 7, ..ImageFacts::default() }
}

#[test]
fn r1_2_and_r1_3_what_an_image_says_of_itself_is_held_against_heroku_s_rules() {
    assert_eq!(found(&usual(), PLAIN), Vec::<String>::new());
    let odd = ImageFacts {
        architecture: "arm64".into(),
        layers: 41,
        volumes: vec!["/data".into()],
        healthcheck: true,
        stop_signal: Some("SIGQUIT".into()),
        env: vec![("API_TOKEN".into(), "9f2c7a61b04e".into()), ("PATH".into(), "/bin".into())],
        ..usual()
    };
    let said = found(&odd, PLAIN);
    let ids: Vec<&str> = said.iter().map(|one| &one[..4]).collect();
    assert_eq!(ids, ["D017", "D018", "D019", "D034", "D037", "D038"], "{said:?}");
    assert!(said.iter().all(|one| one.contains("the image of web")), "{said:?}");
    assert!(!said.join("").contains("9f2c7a61b04e"));
}

#[test]
fn what_the_dockerfile_says_is_not_said_again_of_the_image() {
    let image = ImageFacts { volumes: vec!["/data".into()], ..usual() };
    let said = found(&image, "FROM me/app\nVOLUME /data\nCMD [\"serve\"]\n");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("D017 VOLUME /data"), "{said:?}");
}

#[test]
fn each_image_is_told_of_where_its_own_dockerfile_names_its_base() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["Dockerfile", "Dockerfile.worker"] {
        std::fs::write(folder.path().join(name), PLAIN).unwrap();
    }
    let loaded = load(&LoadOptions { root: folder.path().to_owned(), ..LoadOptions::default() }).unwrap();
    let image = ImageFacts { volumes: vec!["/data".into()], ..usual() };
    let built = [(ProcessType::web(), &image), (ProcessType::new("worker").unwrap(), &image)];
    let found = check(&loaded, &built, &settings(folder.path()).unwrap());
    let places: Vec<_> = found
        .findings
        .iter()
        .map(|one| one.diagnostic.place.as_ref().map(|(file, span)| (file.name.as_str(), span.clone())))
        .collect();
    assert_eq!(places, [Some(("Dockerfile", 5..11)), Some(("Dockerfile.worker", 5..11))]);
}
