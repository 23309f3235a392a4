//! Java and its kin: Maven's pom.xml, Gradle's build files, Spring Boot.

use super::folder::{Folder, command, place, quoted, version};
use super::{Found, Stack};
use crate::diagnostic::{Diagnostic, SourceFile};
use roxmltree::{Document, Node as Element};
use serde::Serialize;
use std::sync::Arc;

/// The long-term release that most images carry.
const DEFAULT: &str = "21";

/// What a Dockerfile must know of a Java app.
#[derive(Clone, Debug, Serialize)]
pub struct Java {
    /// `21`.
    pub version: String,
    /// `maven` or `gradle`.
    pub tool: &'static str,
    /// The repository has the tool's wrapper.
    pub wrapper: bool,
    /// Gradle: `bootJar` or `installDist`. Maven: `package`.
    pub task: &'static str,
    /// The one jar that holds everything; else a folder with a start script.
    pub jar: bool,
    /// The project's own name, which names a start script.
    pub name: String,
    /// Whether it is Spring Boot, which is told its port by a property.
    pub spring: bool,
}

pub(super) fn read(folder: &mut Folder) -> Found {
    let mut java = Java {
        version: DEFAULT.to_owned(),
        tool: "maven",
        wrapper: false,
        task: "package",
        jar: true,
        name: "app".to_owned(),
        spring: false,
    };
    if let Some(file) = folder.read("pom.xml") {
        java.wrapper = folder.has("mvnw") && folder.has(".mvn/wrapper/maven-wrapper.properties");
        maven(folder, &file, &mut java);
    } else if let Some(name) = folder.first(&["build.gradle", "build.gradle.kts"]) {
        java.tool = "gradle";
        java.wrapper = folder.has("gradlew") && folder.has("gradle/wrapper/gradle-wrapper.jar");
        if let Some(file) = folder.read(name) {
            gradle(folder, &file, &mut java);
        }
    }
    if let Some(file) = folder.read("system.properties")
        && let Some(line) = file.text.lines().find(|line| line.trim_start().starts_with("java.runtime.version"))
        && let Some(found) = version(line, 1)
    {
        folder.fact(format!("Java {found}"), "system.properties java.runtime.version");
        java.version = found;
    }
    let origin =
        if java.tool == "maven" { "pom.xml" } else { folder.first(&["build.gradle"]).unwrap_or("build.gradle.kts") };
    folder.fact(if java.tool == "maven" { "Maven" } else { "Gradle" }, origin);
    let web = match (&java.jar, java.spring) {
        (true, true) => command("java -Dserver.port=$PORT -jar app.jar", origin),
        (true, false) => command("java -jar app.jar", origin),
        (false, _) => command(format!("bin/{}", java.name), origin),
    };
    if !java.spring {
        let title = "the app must listen on 0.0.0.0 and the port in $PORT: its files do not say whether it does";
        folder.findings.push(Diagnostic::note(title).help("read it with System.getenv(\"PORT\")"));
    }
    Found { stack: Stack::Java(java), web: Some(web), no_web: String::new(), test: None }
}

fn maven(folder: &mut Folder, file: &Arc<SourceFile>, java: &mut Java) {
    let document = match Document::parse(&file.text) {
        Ok(document) => document,
        Err(error) => {
            let line = usize::try_from(error.pos().row).unwrap_or(1);
            let said = error.to_string();
            let said = said.split(" at ").next().unwrap_or_default();
            let finding =
                Diagnostic::error(format!("pom.xml cannot be read as XML: {said}")).at_line(file, line, "here");
            folder.findings.push(finding.help("close each element; write `&` as `&amp;`"));
            return;
        }
    };
    let root = document.root_element();
    if let Some(name) = child(root, "artifactId").and_then(|element| element.text()) {
        name.trim().clone_into(&mut java.name);
    }
    let properties = child(root, "properties");
    for key in ["java.version", "maven.compiler.release", "maven.compiler.target", "maven.compiler.source"] {
        let Some(element) = properties.and_then(|properties| child(properties, key)) else { continue };
        if let Some(found) = element.text().and_then(java_version) {
            folder.fact(format!("Java {found}"), format!("{} {key}", place(file, element.range().start)));
            java.version = found;
            break;
        }
    }
    let spring = root.descendants().find(|element| {
        element.tag_name().name() == "artifactId"
            && element.text().is_some_and(|text| text.trim().starts_with("spring-boot"))
    });
    if let Some(element) = spring {
        folder.fact("Spring Boot", place(file, element.range().start));
        java.spring = true;
    }
    let one_jar = java.spring
        || ["maven-shade-plugin", "maven-assembly-plugin", "quarkus-maven-plugin"]
            .iter()
            .any(|p| file.text.contains(p));
    if !one_jar {
        let title = "pom.xml makes no jar that holds everything the app needs";
        let help = "add spring-boot-maven-plugin or maven-shade-plugin, so that `java -jar` can start it";
        folder.findings.push(Diagnostic::warning(title).at_line(file, 1, "no such plugin here").help(help));
    }
}

fn child<'a, 'd>(element: Element<'a, 'd>, name: &str) -> Option<Element<'a, 'd>> {
    element.children().find(|child| child.tag_name().name() == name)
}

/// `17`; `8` of `1.8`.
fn java_version(text: &str) -> Option<String> {
    let found = version(text, 2)?;
    Some(found.strip_prefix("1.").map_or_else(|| found.split('.').next().unwrap_or(&found).to_owned(), str::to_owned))
}

/// Gradle's files are programs; only what nearly all of them write alike is read.
fn gradle(folder: &mut Folder, file: &Arc<SourceFile>, java: &mut Java) {
    let find = |words: &[&'static str]| words.iter().find_map(|word| Some((*word, file.text.find(word)?)));
    if let Some(name) = folder.first(&["settings.gradle", "settings.gradle.kts"])
        && let Some(settings) = folder.read(name)
        && let Some(line) = settings.text.lines().find(|line| line.trim_start().starts_with("rootProject.name"))
    {
        quoted(line).unwrap_or("app").clone_into(&mut java.name);
    }
    let version_words = ["JavaLanguageVersion.of(", "JavaVersion.VERSION_", "sourceCompatibility", "jvmToolchain("];
    if let Some((word, at)) = find(&version_words)
        && let Some(found) =
            file.text[at + word.len()..].lines().next().map(|l| l.replace('_', ".")).and_then(|l| java_version(&l))
    {
        folder.fact(format!("Java {found}"), place(file, at));
        java.version = found;
    }
    if let Some((_, at)) = find(&["org.springframework.boot"]) {
        folder.fact("Spring Boot", place(file, at));
        (java.spring, java.task) = (true, "bootJar");
    } else if find(&[
        "id 'application'",
        "id(\"application\")",
        "id \"application\"",
        "apply plugin: 'application'",
        "    application\n",
    ])
    .is_some()
    {
        (java.jar, java.task) = (false, "installDist");
    } else {
        let title = format!("{} makes nothing that can be started", file.name);
        let finding = Diagnostic::error(title).at_line(file, 1, "neither Spring Boot nor the `application` plugin");
        folder.findings.push(finding.help("add `id 'application'` to `plugins`, and `application { mainClass = … }`"));
    }
}
