//! Where a server is told a port otherwise than by its command: by the image's environment, or by a file of its own.

use super::command::{Arg, Command};
use super::folder::Content;
use super::locate::locate;
use super::scene::{Image, Process};
use super::servers::{Bind, Server, Told};
use super::sources::named_files;
use crate::diagnostic::SourceFile;
use crate::dockerfile::Word;
use crate::model::launch::shellwords_split;
use regex::Regex;
use std::ops::Range;
use std::sync::Arc;

/// A port that stands somewhere, as a number.
pub(super) struct Fixed {
    pub(super) file: Arc<SourceFile>,
    pub(super) span: Range<usize>,
    pub(super) number: u16,
    /// How to mend it.
    pub(super) help: String,
}

/// The port that a server takes where its command names none: the variable's, then its file's.
pub(super) fn elsewhere(
    process: &Process,
    image: &Image,
    command: &Command,
    server: &Server,
    at: usize,
) -> Option<Fixed> {
    let by_variable = server.by_env.iter().find_map(|(name, told, help)| {
        let value = process.run.values.get(*name)?;
        let number = port_of(value, *told, command, server)?;
        let word = env_value(image, name)?;
        Some(Fixed { file: Arc::clone(&image.file), span: word.span, number, help: (*help).to_owned() })
    });
    by_variable.or_else(|| by_file(process, image, command, server, at))
}

fn port_of(value: &str, told: Told, command: &Command, server: &Server) -> Option<u16> {
    let number = |text: &str| text.parse::<u16>().ok();
    match told {
        Told::Port => number(value),
        Told::Bind => number(&Bind::of(value)?.port?),
        Told::Options => {
            let arg = |text: String| Arg { text, file: Arc::clone(&command.file), span: 0..0, literal: true };
            let args = shellwords_split(value).ok()?.into_iter().map(arg).collect();
            let options = Command { args, ..command.clone() };
            options.binds(server, 0).into_iter().find_map(|(bind, _)| number(&bind.port?))
        }
    }
}

/// The value of the last `ENV` of the image that sets a variable.
fn env_value(image: &Image, name: &str) -> Option<Word> {
    let envs = image.steps().filter(|(_, one)| one.keyword == "ENV").collect::<Vec<_>>();
    envs.into_iter().rev().flat_map(|(_, one)| one.pairs()).find(|pair| pair.name.text == name)?.value
}

fn by_file(process: &Process, image: &Image, command: &Command, server: &Server, at: usize) -> Option<Fixed> {
    let config = server.config.as_ref()?;
    let content = own_file(process, image, command, server, at)?;
    let text = &content.file.text;
    let mut found: Vec<_> = Regex::new(config.pattern).ok()?.captures_iter(text).collect();
    let found = found.pop().filter(|_| found.is_empty() && !text.contains("PORT"))?.get(1)?;
    let number = Bind::of(found.as_str())?.port?.parse().ok()?;
    Some(Fixed { file: content.file.clone(), span: found.range(), number, help: config.help.to_owned() })
}

/// The file of its own that a server reads at its start.
pub(super) fn own_file(
    process: &Process,
    image: &Image,
    command: &Command,
    server: &Server,
    at: usize,
) -> Option<Content> {
    let config = server.config.as_ref()?;
    // In another folder another file counts.
    if process.run.commands.iter().any(|command| ["cd", "pushd"].contains(&command.program().1)) {
        return None;
    }
    let named = command.values_of(config.flags, at).into_iter().next();
    let path = named.as_ref().map_or(config.default, |arg| arg.text.as_str());
    Some(locate(image, path)?.0)
}

/// Whether a file of that name in the context may tell a port.
pub(super) fn file_tells(image: &Image, name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    let speaks = |text: &str| {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.into_iter().any(|word| word.eq_ignore_ascii_case("port"))
    };
    named_files(&image.folder, |file| file == last)
        .iter()
        .any(|path| image.folder.read(path).is_none_or(|content| speaks(&content.file.text)))
}

/// A build arg, and nothing that a dyno has: its name, where a port is that variable alone.
pub(super) fn build_arg<'p>(process: &Process, image: &Image, port: &'p str) -> Option<&'p str> {
    let name = port.strip_prefix('$')?;
    let name = name.strip_prefix('{').map_or(Some(name), |name| name.strip_suffix('}'))?;
    let sets = |keyword: &str| {
        let all = image.docker.instructions.iter().filter(|one| one.keyword == keyword);
        all.flat_map(crate::dockerfile::Instruction::pairs).any(|pair| pair.name.text == name)
    };
    let by_script = process.run.scripts.iter().any(|script| script.content.file.text.contains(&format!("{name}=")));
    (sets("ARG") && !sets("ENV") && !process.run.values.contains_key(name) && !by_script).then_some(name)
}

/// A number that the command line gives PORT itself, and where it does.
pub(super) fn own_port(process: &Process) -> Option<(Arc<SourceFile>, Range<usize>, u16)> {
    let number: u16 = process.run.values.get("PORT")?.parse().ok()?;
    let kept = process.run.values.iter().any(|(name, value)| name != "PORT" && value.contains("PORT"));
    let asked = process.run.commands.iter().flat_map(|command| &command.args).any(|arg| arg.text.contains("$PORT"));
    if kept || asked {
        return None;
    }
    let written = Regex::new(&format!(r#"(?-u:\b)PORT=["']?{number}(?-u:\b)"#)).ok()?;
    process.run.commands.iter().find_map(|command| {
        let found = written.find_iter(&command.file.text).last()?;
        Some((Arc::clone(&command.file), found.range(), number))
    })
}
