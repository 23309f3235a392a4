//! What is known of each code of Heroku's: what it means, what usually causes it, how to see it here, who says so. Data
//! only; `dynosim explain CODE` prints it.

mod dyno;
mod logs;
mod router;

/// One code, explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// `H12`.
    pub code: &'static str,
    /// Its name, as Heroku's list of codes has it.
    pub title: &'static str,
    /// What happened, on Heroku.
    pub means: &'static str,
    /// What usually leads to it, the most frequent first.
    pub causes: &'static [&'static str],
    /// How to see it on this machine, or why it is never seen here.
    pub here: &'static str,
    /// Where it is documented, and which rule it is.
    pub source: &'static str,
}

/// Every code: the router's, the dynos', the logs'.
pub fn all() -> impl Iterator<Item = &'static Topic> {
    router::TOPICS.iter().chain(dyno::TOPICS).chain(logs::TOPICS)
}

/// The topic of a code, in any case.
pub fn find(code: &str) -> Option<&'static Topic> {
    all().find(|topic| topic.code.eq_ignore_ascii_case(code))
}

/// Whether a word looks as codes do: one to three letters, then two or three digits.
pub fn looks_like_a_code(word: &str) -> bool {
    let letters = word.bytes().take_while(u8::is_ascii_alphabetic).count();
    let digits = &word[letters..];
    (1..=3).contains(&letters) && (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{all, find, looks_like_a_code};
    use crate::model::codes::{H, R};
    use std::collections::BTreeSet;

    #[test]
    fn every_code_that_can_be_met_is_explained_under_its_own_title() {
        for code in H::ALL {
            assert_eq!(find(code.code()).unwrap().title, code.title());
        }
        for code in R::ALL {
            let topic = find(code.code()).unwrap();
            let title = format!("Error {} ({})", topic.code, topic.title);
            assert!(code.line(std::time::Duration::ZERO).starts_with(&title), "{title}");
        }
        for code in ["L10", "L11", "L12", "L13", "L14", "L15", "R13", "R16", "R17", "R99", "H16", "H23", "H31", "H83"] {
            assert!(find(code).is_some(), "{code}");
        }
    }

    #[test]
    fn every_topic_has_all_four_parts_in_whole_sentences() {
        let mut codes = BTreeSet::new();
        for topic in all() {
            assert!(codes.insert(topic.code), "{} twice", topic.code);
            assert!(looks_like_a_code(topic.code), "{}", topic.code);
            assert!(!topic.causes.is_empty(), "{}", topic.code);
            for text in topic.causes.iter().chain([&topic.means, &topic.here]) {
                assert!(text.len() > 15 && text.ends_with('.'), "{}: {text}", topic.code);
                assert!(!text.contains("  "), "{}: {text}", topic.code);
            }
            assert!(topic.source.contains("devcenter.heroku.com") || topic.source.contains('§'), "{}", topic.code);
        }
    }

    #[test]
    fn codes_are_found_in_any_case_and_words_told_from_process_types() {
        assert_eq!(find("h12").unwrap().code, "H12");
        assert!(find("H13x").is_none());
        for code in ["H12", "r10", "L1", "D014"] {
            assert!(looks_like_a_code(code), "{code}");
        }
        for word in ["web", "worker", "release", "h", "12", "web1a", "worker12", "H1234", "Ä12"] {
            assert!(!looks_like_a_code(word), "{word}");
        }
    }
}
