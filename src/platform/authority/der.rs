//! The little of DER that is read of a certificate that dynosim itself once wrote: how long it is valid, and which names
//! it is limited to. Whether the certificate is sound is for rustls to say, not for this.

use time::{Date, Month, OffsetDateTime, Time};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const PERMITTED: u8 = 0xa0;
const DNS_NAME: u8 = 0x82;

/// From when until when a certificate is valid.
pub(super) fn validity(certificate: &[u8]) -> Option<(OffsetDateTime, OffsetDateTime)> {
    let mut whole = of(&mut { certificate }, SEQUENCE)?;
    let mut signed = of(&mut whole, SEQUENCE)?;
    let rest = &mut signed;
    if rest.first() == Some(&VERSION) {
        element(rest)?;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        element(rest)?;
    }
    let mut validity = of(rest, SEQUENCE)?;
    Some((time(&mut validity)?, time(&mut validity)?))
}

/// The DNS names among the permitted subtrees of a name constraints extension, given without its outer sequence.
pub(super) fn permitted_names(constraints: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let Some(mut subtrees) = of(&mut { constraints }, PERMITTED) else { return names };
    while let Some(mut subtree) = of(&mut subtrees, SEQUENCE) {
        if let Some(name) = of(&mut subtree, DNS_NAME) {
            names.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    names
}

/// The contents of the next element, if it has this tag.
fn of<'a>(input: &mut &'a [u8], wanted: u8) -> Option<&'a [u8]> {
    element(input).filter(|(tag, _)| *tag == wanted).map(|(_, contents)| contents)
}

/// Takes the next element off `input`: its tag and its contents.
fn element<'a>(input: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let length = if first < 0x80 {
        usize::from(first)
    } else {
        let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        rest = after;
        bytes.iter().try_fold(0usize, |sum, byte| sum.checked_mul(256)?.checked_add(usize::from(*byte)))?
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some((tag, contents))
}

/// A time as certificates have it: `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` after.
fn time(input: &mut &[u8]) -> Option<OffsetDateTime> {
    let (tag, text) = element(input)?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.is_ascii() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i32 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |index: usize| rest.get(2 * index..2 * index + 2)?.parse::<u8>().ok();
    let date = Date::from_calendar_date(year, Month::try_from(part(0)?).ok()?, part(1)?).ok()?;
    Some(date.with_time(Time::from_hms(part(2)?, part(3)?, part(4)?).ok()?).assume_utc())
}

#[cfg(test)]
mod tests {
    use super::{permitted_names, validity};
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair};
    use time::macros::datetime;

    #[test]
    fn the_dates_of_a_certificate_are_those_it_was_made_with() {
        for (from, until) in [
            (datetime!(2026-11-21 03:08:15 UTC), datetime!(2031-11-20 23:59:59 UTC)),
            (datetime!(2048-02-29 00:00:00 UTC), datetime!(2053-01-01 00:00:00 UTC)),
        ] {
            let mut params = CertificateParams::default();
            (params.not_before, params.not_after) = (from, until);
            let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(validity(made.der()), Some((from, until)));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..400, with: u8) {
            let _ = (validity(&bytes), permitted_names(&bytes));
            let made = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap();
            let mut changed = made.der().to_vec();
            if let Some(byte) = changed.get_mut(at) {
                *byte = with;
            }
            let _ = validity(&changed);
        }
    }
}
