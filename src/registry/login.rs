//! Who one is at a registry.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::fmt;

/// What Docker's tools write in place of a user name when the secret is an identity token.
pub(super) const TOKEN_USER: &str = "<token>";

/// A user and a secret. The secret is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user name; `_` where the secret is all that counts, as at Heroku's.
    pub user: String,
    secret: String,
}

impl Login {
    /// With a password or an API key.
    pub fn new(user: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { user: user.into(), secret: secret.into() }
    }

    /// With an identity token, which a token service exchanges for others.
    pub fn with_identity(token: impl Into<String>) -> Self {
        Self::new(TOKEN_USER, token)
    }

    /// Reads `auth` of Docker's config: base64 of `user:secret`.
    pub fn decode(encoded: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (user, secret) = text.split_once(':')?;
        Some(Self::new(user, secret.trim_end_matches('\0')))
    }

    /// As Docker's config and `Authorization: Basic` have it.
    pub(super) fn encode(&self) -> String {
        BASE64_STANDARD.encode(format!("{}:{}", self.user, self.secret))
    }

    /// The secret itself: for a header, or another program's standard input.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Whether the secret is an identity token.
    pub fn is_identity(&self) -> bool {
        self.user == TOKEN_USER
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Login;

    #[test]
    fn a_login_is_kept_as_docker_keeps_it_and_is_not_shown() {
        let login = Login::decode("eW91OnB3OjI=").unwrap();
        assert_eq!((login.user.as_str(), login.secret(), login.encode().as_str()), ("you", "pw:2", "eW91OnB3OjI="));
        assert!(!format!("{login:?}").contains("pw"));
        for wrong in ["", "x", "eW91", "====", "ÿ"] {
            assert!(Login::decode(wrong).is_none(), "{wrong}");
        }
    }
}
