use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::issue::Issuer;
use super::*;

fn claims() -> Claims {
    let author = Actor::new(Uuid::from_u128(7), Some("Ada".into()), Role::Author);
    Claims::access(&author, Some("ada@example.org".into()), now(), 900)
}

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

fn verdict(issuer: &Issuer, claims: &Claims) -> Result<Actor, AuthError> {
    Verifier::from_jwks(&issuer.jwks()).unwrap().verify(&issuer.issue(claims).unwrap())
}

#[test]
fn a_token_speaks_for_the_person_it_was_issued_to() {
    let actor = verdict(&Issuer::generate(), &claims()).unwrap();
    assert_eq!(actor, Actor::new(Uuid::from_u128(7), Some("Ada".into()), Role::Author));
}

#[test]
fn a_token_may_give_less_than_the_role_and_never_more() {
    let mut claims = claims();
    claims.permissions = Some([Permission::LikePosts, Permission::ManagePeople].into_iter().collect());
    let actor = verdict(&Issuer::generate(), &claims).unwrap();
    assert!(actor.may(Permission::LikePosts));
    assert!(!actor.may(Permission::WriteOwnPosts) && !actor.may(Permission::ManagePeople));
}

#[test]
fn an_expired_token_is_refused_as_expired() {
    let mut claims = claims();
    claims.exp = now() - 60;
    assert_eq!(verdict(&Issuer::generate(), &claims), Err(AuthError::Expired));
}

#[test]
fn a_token_that_was_good_before_expires_all_the_same() {
    let issuer = Issuer::generate();
    let verifier = Verifier::from_jwks(&issuer.jwks()).unwrap();
    let claims = claims();
    let token = issuer.issue(&claims).unwrap();
    assert!(verifier.verify_at(&token, claims.exp).is_ok());
    assert!(verifier.verify_at(&token, claims.exp + 5).is_ok(), "clocks may differ by so much");
    for _ in 0..2 {
        assert_eq!(verifier.verify_at(&token, claims.exp + 6), Err(AuthError::Expired));
    }
}

#[test]
fn a_token_of_another_issuer_type_or_person_is_refused() {
    type Spoil = fn(&mut Claims);
    let spoils: [Spoil; 3] =
        [|c| c.iss = "other".into(), |c| c.kind = "refresh".into(), |c| c.sub = Uuid::from_u128(8)];
    for spoil in spoils {
        let mut claims = claims();
        spoil(&mut claims);
        assert_eq!(verdict(&Issuer::generate(), &claims), Err(AuthError::WrongKind));
    }
}

#[test]
fn a_token_signed_by_a_foreign_key_is_refused() {
    let (ours, theirs) = (Issuer::generate(), Issuer::generate());
    let verifier = Verifier::from_jwks(&ours.jwks()).unwrap();
    assert_eq!(verifier.verify(&theirs.issue(&claims()).unwrap()), Err(AuthError::NotTrusted));

    // The same kid does not help: the signature decides.
    let mut forged: Value = serde_json::from_str(&theirs.jwks()).unwrap();
    let ours: Value = serde_json::from_str(&ours.jwks()).unwrap();
    forged["keys"][0]["x"] = ours["keys"][0]["x"].clone();
    let verifier = Verifier::from_jwks(&forged.to_string()).unwrap();
    assert_eq!(verifier.verify(&theirs.issue(&claims()).unwrap()), Err(AuthError::NotTrusted));
}

#[test]
fn a_token_changed_after_signing_is_refused() {
    let issuer = Issuer::generate();
    let verifier = Verifier::from_jwks(&issuer.jwks()).unwrap();
    let author = issuer.issue(&claims()).unwrap();
    let mut admin = claims();
    admin.role = Role::Admin;
    let admin = issuer.issue(&admin).unwrap();
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (author, admin) = (parts(&author), parts(&admin));
    let mixed = format!("{}.{}.{}", author[0], admin[1], author[2]);
    assert_eq!(verifier.verify(&mixed), Err(AuthError::NotTrusted));
}

#[test]
fn the_public_key_is_no_secret_for_another_algorithm() {
    let issuer = Issuer::generate();
    let verifier = Verifier::from_jwks(&issuer.jwks()).unwrap();
    let jwks: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.kid = Some(jwks["keys"][0]["kid"].as_str().unwrap().to_owned());
    let secret = jwks["keys"][0]["x"].as_str().unwrap();
    let secret = URL_SAFE_NO_PAD.decode(secret).unwrap();
    let key = jsonwebtoken::EncodingKey::from_secret(&secret);
    let token = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
    assert_eq!(verifier.verify(&token), Err(AuthError::NotTrusted));
}

#[test]
fn what_is_no_token_is_malformed() {
    let verifier = Verifier::from_jwks(&Issuer::generate().jwks()).unwrap();
    for text in ["", "x", "a.b.c", "..", "eyJhbGciOiJub25lIn0.e30."] {
        assert_eq!(verifier.verify(text), Err(AuthError::Malformed), "{text}");
    }
}

#[test]
fn a_private_key_is_the_same_after_writing_and_reading_it() {
    let issuer = Issuer::generate();
    let again = Issuer::from_pem(&issuer.private_pem().unwrap()).unwrap();
    assert_eq!(issuer.jwks(), again.jwks());
    assert!(Issuer::from_pem("no key").is_err());
}

#[test]
fn each_fault_of_a_key_file_is_said_clearly() {
    let error = |text: &str| Verifier::from_jwks(text).unwrap_err().to_string();
    let with = |change: Value| {
        let mut jwks: Value = serde_json::from_str(&Issuer::generate().jwks()).unwrap();
        for (name, value) in change.as_object().unwrap() {
            jwks["keys"][0][name] = value.clone();
        }
        if change.get("kid") == Some(&Value::Null) {
            jwks["keys"][0].as_object_mut().unwrap().remove("kid");
        }
        jwks
    };
    assert!(error("").contains("not a JWKS document"));
    assert!(error(r#"{"keys":[]}"#).contains("holds no key"));
    assert!(error(&with(json!({ "kid": null })).to_string()).contains("has no kid"));
    assert!(error(&with(json!({ "x": "AAAA" })).to_string()).contains("no valid public key"));
    let rsa = json!({"keys": [{"kty": "RSA", "kid": "r", "n": "AQAB", "e": "AQAB"}]});
    assert!(error(&rsa.to_string()).contains("not an Ed25519 key"));
    let mut twice = with(json!({}));
    let key = twice["keys"][0].clone();
    twice["keys"].as_array_mut().unwrap().push(key);
    assert!(error(&twice.to_string()).contains("stands twice"));
    let missing = Verifier::from_file("/nonexistent/jwks.json".as_ref()).unwrap_err().to_string();
    assert!(missing.contains("/nonexistent/jwks.json") && missing.contains("GROOT_JWKS_FILE"));
}
