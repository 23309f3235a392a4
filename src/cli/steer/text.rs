//! Results as the Heroku CLI prints them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `=== shop Config Vars`, and an empty line.
pub(in crate::cli) fn header(title: &str) -> String {
    format!("=== {title}\n")
}

/// Names and values in two columns.
pub(super) fn object(pairs: &[(&str, &str)]) -> Vec<String> {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0) + 1;
    pairs.iter().map(|(name, value)| format!("{:width$} {value}", format!("{name}:"))).collect()
}

/// Rows with a heading, in columns.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([heading[column].chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!(" {}", cells.collect::<Vec<_>>().join(" ")).trim_end().to_owned()
    };
    let heading: Vec<String> = heading.iter().map(|cell| (*cell).to_owned()).collect();
    let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    let mut lines = vec![line(&heading), line(&rule)];
    lines.extend(rows.iter().map(|row| line(row)));
    lines
}

/// Columns without a heading.
pub(super) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let blank = vec![""; count];
    table(&blank, rows).split_off(2).iter().map(|line| line.trim_start().to_owned()).collect()
}

/// `2026/11/21 03:08:15 +0000 (~ 2s ago)`
pub(in crate::cli) fn ago(stamp: &str, now: OffsetDateTime) -> String {
    let Ok(at) = OffsetDateTime::parse(stamp, &Rfc3339) else { return stamp.to_owned() };
    let format = time::macros::format_description!("[year]/[month]/[day] [hour]:[minute]:[second] +0000");
    let text = at.format(format).unwrap_or_default();
    let elapsed = (now - at).whole_seconds().max(0);
    match elapsed {
        0..60 => format!("{text} (~ {elapsed}s ago)"),
        60..3600 => format!("{text} (~ {}m ago)", elapsed / 60),
        3600..90_000 => format!("{text} (~ {}h ago)", elapsed / 3600),
        _ => text,
    }
}

/// A value as a shell reads it back.
pub(super) fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/:=@%+,".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::{ago, columns, object, quoted, table};
    use time::macros::datetime;

    #[test]
    fn names_and_values_stand_in_columns() {
        assert_eq!(object(&[("RAILS_ENV", "staging"), ("A", "1")]), ["RAILS_ENV: staging", "A:         1"]);
        let rows = [vec!["v12".to_owned(), "Set A".to_owned()], vec!["v3".into(), "Deployed web".into()]];
        assert_eq!(columns(&rows), ["v12 Set A", "v3  Deployed web"]);
        assert_eq!(table(&["Type", "Qty"], &[vec!["web".into(), "12345".into()]])[1], " ──── ─────");
    }

    #[test]
    fn times_are_told_as_heroku_tells_them() {
        let now = datetime!(2026-11-21 03:08:15 UTC);
        for (stamp, says) in [
            ("2026-11-21T03:08:13Z", "2026/11/21 03:08:13 +0000 (~ 2s ago)"),
            ("2026-11-21T03:06:15Z", "2026/11/21 03:06:15 +0000 (~ 2m ago)"),
            ("2026-11-20T03:08:15Z", "2026/11/20 03:08:15 +0000 (~ 24h ago)"),
            ("2026-11-19T03:08:15Z", "2026/11/19 03:08:15 +0000"),
            ("2026-11-21T03:08:16Z", "2026/11/21 03:08:16 +0000 (~ 0s ago)"),
        ] {
            assert_eq!(ago(stamp, now), says);
        }
    }

    #[test]
    fn shell_values_are_quoted_when_they_must_be() {
        for (value, says) in [
            ("postgres://u:p@h/db", "postgres://u:p@h/db"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("$A", "'$A'"),
        ] {
            assert_eq!(quoted(value), says);
        }
    }
}
