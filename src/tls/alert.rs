//! What an alert of the other side means, in the words of RFC 8446, section 6, whichever library received it.

/// OpenSSL's reason codes are alerts from here on (`SSL_AD_REASON_OFFSET` of its `ssl.h`).
const OPENSSL_OFFSET: i32 = 1000;

/// An alert in words.
pub(super) fn words(alert: u8) -> String {
    let name = match alert {
        0 => "close notify",
        10 => "unexpected message",
        20 => "bad record mac",
        22 => "record overflow",
        40 => "handshake failure",
        42 => "bad certificate",
        43 => "unsupported certificate",
        44 => "certificate revoked",
        45 => "certificate expired",
        46 => "certificate unknown",
        47 => "illegal parameter",
        48 => "unknown ca",
        49 => "access denied",
        50 => "decode error",
        51 => "decrypt error",
        70 => "protocol version",
        71 => "insufficient security",
        80 => "internal error",
        86 => "inappropriate fallback",
        90 => "user canceled",
        109 => "missing extension",
        110 => "unsupported extension",
        112 => "unrecognized name",
        113 => "bad certificate status response",
        115 => "unknown psk identity",
        116 => "certificate required",
        120 => "no application protocol",
        other => return format!("TLS alert {other}"),
    };
    format!("TLS alert: {name}")
}

/// The alert that an error of OpenSSL's stands for. Its own words for one differ between its versions.
pub(super) fn of_openssl(error: &openssl::error::Error) -> Option<u8> {
    u8::try_from(error.reason_code() - OPENSSL_OFFSET).ok()
}
