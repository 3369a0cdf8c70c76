//! The composed bytes, read back by a parser that is not ours: Python's.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::FutureExt as _;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::mailbox::parse_mailbox;
use super::*;

const READER: &str = r"
import base64, email, email.header, email.policy, email.utils, json, struct, sys
data, at, seen = sys.stdin.buffer.read(), 0, []
def utf8(text):
    return text.encode('utf-8', 'surrogateescape').decode('utf-8')
# policy.default of Python 3.11 puts a space between adjacent encoded-words of a phrase (bpo-35547): the older parser.
def people(raw, field):
    value = utf8(str(raw.get(field, ''))).replace('\r\n', '').replace('\n', '')
    return [[str(email.header.make_header(email.header.decode_header(name))), address]
            for name, address in email.utils.getaddresses([value])] if value else []
while at < len(data):
    size, = struct.unpack_from('>I', data, at)
    message = email.message_from_bytes(data[at + 4:at + 4 + size], policy=email.policy.default)
    raw = {key.lower(): value for key, value in email.message_from_bytes(data[at + 4:at + 4 + size]).raw_items()}
    at += 4 + size
    mixed = message.get_payload()
    plain, html = mixed[0].get_payload()
    seen.append({
        'keys': [key.lower() for key in message.keys()],
        'subject': str(message['subject']), 'id': str(message['message-id']), 'date': str(message['date'].datetime),
        'from': people(raw, 'from'), 'to': people(raw, 'to'), 'cc': people(raw, 'cc'),
        'reply_to': people(raw, 'reply-to'), 'to_field': str(message['to']),
        'types': [message.get_content_type(), mixed[0].get_content_type(), plain.get_content_type(), html.get_content_type()],
        'text': plain.get_payload(decode=True).decode('utf-8'), 'html': html.get_payload(decode=True).decode('utf-8'),
        'files': [[part['content-disposition'].params['filename'], part.get_content_type(),
                   base64.b64encode(part.get_payload(decode=True)).decode(),
                   str(email.header.make_header(email.header.decode_header(part.get_param('name'))))] for part in mixed[1:]],
        'defects': [str(d) for part in message.walk() for d in part.defects]
                 + [str(d) for key in message.keys() for d in message[key].defects],
    })
json.dump(seen, sys.stdout)
";

/// All messages through one process: it is the process that takes the time.
fn read_back(messages: &[Vec<u8>]) -> Vec<Value> {
    let mut python = Command::new("python3")
        .args(["-c", READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed for this test");
    let mut stdin = python.stdin.take().unwrap();
    for message in messages {
        stdin.write_all(&u32::try_from(message.len()).unwrap().to_be_bytes()).unwrap();
        stdin.write_all(message).unwrap();
    }
    drop(stdin);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(super) fn encoded(raw: &[u8]) -> Vec<u8> {
    let mut out = vec![0; usize::try_from(encoded_size(raw.len() as u64)).unwrap()];
    encode_base64(raw, &mut out);
    out
}

/// All pieces, as they would be written. What is in memory is there at once, without a runtime.
pub(super) fn written(content: &Content, encoding: Encoding) -> Vec<u8> {
    let mut reader = content.reader(encoding);
    let mut out = Vec::new();
    while let Some(piece) = reader.next().now_or_never().expect("a wait").unwrap() {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Lines(raw) => out.extend(encoded(raw)),
            Piece::Bytes(raw) => out.extend_from_slice(raw),
        }
        assert_eq!(reader.left(), content.size(encoding) - out.len() as u64);
    }
    assert_eq!(reader.left(), 0);
    out
}

/// The bytes as they would be sent; that they are fit to be sent is checked on the way.
fn bytes_of(message: &Message) -> Vec<u8> {
    let bytes = written(&message.content, Encoding::Base64);
    assert!(bytes.ends_with(b"\r\n"));
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r\n").expect("a bare LF");
        assert!(line.len() <= 998, "a line of {}", line.len());
        assert!(!line.contains(&b'\r') && !line.contains(&0));
        assert!(message.needs_smtputf8 || line.is_ascii(), "{}", String::from_utf8_lossy(line));
    }
    bytes
}

fn sender() -> Sender {
    Sender {
        from: parse_mailbox("from", "Alfa SRL <office@alfa.ro>").unwrap(),
        copy_to: Vec::new(),
        reply_to: Vec::new(),
    }
}

fn email(json: Value) -> Email {
    Email::from_json(json, Some(Bytes::from_static(b"%PDF-1.7\nx"))).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn composed(json: Value, sender: &Sender) -> (Message, Value) {
    let message = compose(&email(json), sender).unwrap();
    let mut read = read_back(&[bytes_of(&message), written(&message.content, Encoding::Binary)]);
    let (binary, base64) = (read.pop().unwrap(), read.pop().unwrap());
    for (member, value) in base64.as_object().unwrap() {
        // Binary has one field more at the top.
        assert!(member == "keys" || value == &binary[member], "{member}: {value} {}", binary[member]);
    }
    (message, base64)
}

fn envelope(message: &Message) -> Vec<(&str, Role)> {
    message.recipients.iter().map(|recipient| (recipient.address.as_str(), recipient.role)).collect()
}

/// Names of people, subjects and files in the scripts that customers have.
fn samples() -> Vec<String> {
    let mut samples: Vec<String> = [
        "Invoice 7",
        "Café Zoë GmbH & Co. KG",
        "Factură nr. 7 – Țuțea Ștefan",
        "Τιμολόγιο Αθήνα",
        "Счёт-фактура № 7",
        "فاتورة رقم ٧",
        "חשבונית מס 7",
        "請求書 株式会社 发票",
        "🧾 Rechnung 👩‍👩‍👧‍👦",
        "Say \"hello\", Ion; it's 50% (a<b>c)",
        "a''b*c%20d",
        "utf-8''x",
        "e\u{301} i\u{308}",
        "K.",
        "a@b.ro",
        "x=?y",
        "  edges  ",
        "two  spaces",
        ",",
        ";",
        "'",
        "%",
    ]
    .map(str::to_owned)
    .to_vec();
    samples.push("x".repeat(250));
    samples.push("ă".repeat(125));
    samples.push("🧾".repeat(62));
    samples.push("word ".repeat(50).trim_end().to_owned());
    samples.push("Țuțea ".repeat(28).trim_end().to_owned());
    samples
}

#[test]
fn subjects_names_and_files_arrive_as_they_were_given() {
    let samples = samples();
    let raw: Vec<Vec<u8>> =
        (0..samples.len()).map(|n| (0..n * 37).map(|i| u8::try_from((i * 7 + n) % 256).unwrap()).collect()).collect();
    let messages: Vec<_> = samples
        .iter()
        .zip(&raw)
        .map(|(sample, raw)| {
            let quoted = format!("\"{}\" <ion@b.ro>", sample.replace('\\', "\\\\").replace('"', "\\\""));
            let name = sample.replace("=?", "=");
            let json = json!({
                "to": [quoted, "a@b.ro"], "cc": [quoted], "reply_to": quoted, "subject": format!("{sample} {}", "🧾ă x".repeat(100)),
                "body": sample, "document": {"file_name": name},
                "attachments": [{"base64": STANDARD.encode(raw), "file_name": name, "type": "application/x-test"}],
            });
            bytes_of(&compose(&email(json), &sender()).unwrap())
        })
        .collect();
    for ((read, sample), raw) in read_back(&messages).iter().zip(&samples).zip(&raw) {
        assert_eq!(read["subject"], format!("{sample} {}", "🧾ă x".repeat(100)), "{sample}");
        let person = json!([sample.trim(), "ion@b.ro"]);
        assert_eq!(read["to"], json!([person, ["", "a@b.ro"]]), "{sample}");
        assert_eq!((&read["cc"], &read["reply_to"]), (&json!([person]), &json!([person])), "{sample}");
        let name = sample.replace("=?", "=");
        assert_eq!(
            read["files"],
            json!([
                [name, "application/pdf", STANDARD.encode("%PDF-1.7\nx"), name],
                [name, "application/x-test", STANDARD.encode(raw), name]
            ]),
            "{sample}"
        );
        assert_eq!(read["text"], json!(sample));
        assert_eq!(read["types"], json!(["multipart/mixed", "multipart/alternative", "text/plain", "text/html"]));
    }
}

#[test]
fn the_envelope_has_each_recipient_once_and_the_header_no_hidden_one() {
    let mut sender = sender();
    sender.copy_to = ["archive@alfa.ro", "b@x.ro"].map(|text| Address::parse(text).unwrap()).to_vec();
    sender.reply_to = vec![parse_mailbox("reply_to", "desk@alfa.ro").unwrap()];
    let json = json!({
        "to": "A <a@x.ro>, a@X.RO", "cc": "c@x.ro, a@x.ro", "bcc": "hidden@x.ro, b@x.ro", "subject": "s", "body": "**b**",
    });
    let (message, read) = composed(json, &sender);
    let expected = [
        ("a@x.ro", Role::To),
        ("c@x.ro", Role::Cc),
        ("hidden@x.ro", Role::Bcc),
        ("b@x.ro", Role::Bcc),
        ("archive@alfa.ro", Role::Copy),
    ];
    assert_eq!(envelope(&message), expected);
    assert_eq!((message.sender.as_str(), message.needs_smtputf8), ("office@alfa.ro", false));
    let text = String::from_utf8(bytes_of(&message)).unwrap();
    for hidden in ["hidden", "b@x.ro", "archive", "Bcc"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    assert_eq!(read["from"], json!([["Alfa SRL", "office@alfa.ro"]]));
    assert_eq!(read["reply_to"], json!([["", "desk@alfa.ro"]]));
    assert_eq!(read["id"], json!(message.message_id));
    assert_eq!(read["text"], "**b**");
    assert!(read["html"].as_str().unwrap().contains("<strong>b</strong>"));
    assert_eq!(read["defects"], json!([]));
    let keys = ["from", "to", "cc", "reply-to", "subject", "date", "message-id", "mime-version", "content-type"];
    assert_eq!(read["keys"], json!(keys));
}

#[test]
fn a_message_without_to_still_names_someone() {
    let (message, read) = composed(json!({"bcc": "a@b.ro"}), &sender());
    assert_eq!(envelope(&message), [("a@b.ro", Role::Bcc)]);
    assert_eq!((&read["to_field"], &read["defects"]), (&json!("undisclosed-recipients:;"), &json!([])));
    let (_, read) = composed(json!({"cc": "a@b.ro", "bcc": "c@d.ro"}), &sender());
    assert_eq!((&read["to_field"], &read["cc"]), (&json!("None"), &json!([["", "a@b.ro"]])));
}

#[test]
fn only_a_local_part_beyond_ascii_needs_smtputf8() {
    for (json, needed) in [
        (json!({"to": "Ștefan <stefan@țară.ro>", "subject": "ă"}), false),
        (json!({"to": "ștefan@țară.ro"}), true),
        (json!({"to": "a@b.ro", "bcc": "ștefan@b.ro"}), true),
        (json!({"to": "a@b.ro", "reply_to": "ștefan@b.ro"}), true),
    ] {
        let (message, _) = composed(json, &sender());
        assert_eq!(message.needs_smtputf8, needed);
    }
    let mut named = sender();
    named.reply_to = vec![parse_mailbox("reply_to", "ș@b.ro").unwrap()];
    assert!(compose(&email(json!({"to": "a@b.ro"})), &named).unwrap().needs_smtputf8);
    assert!(!compose(&email(json!({"to": "a@b.ro", "reply_to": "a@b.ro"})), &named).unwrap().needs_smtputf8);
    let (_, read) = composed(json!({"to": "Ștefan <ștefan@țară.ro>, ион@b.ro"}), &named);
    assert_eq!(read["to"], json!([["Ștefan", "ștefan@xn--ar-kla13i.ro"], ["", "ион@b.ro"]]));
}

#[test]
fn a_thousand_recipients_stay_in_short_lines() {
    let to: Vec<_> =
        (0..1000).map(|n| if n % 3 == 0 { format!("Țuțea {n} <a{n}@b.ro>") } else { format!("a{n}@b.ro") }).collect();
    let (message, read) = composed(json!({"to": to}), &sender());
    assert_eq!((message.recipients.len(), read["to"].as_array().unwrap().len()), (1000, 1000));
    assert_eq!(read["to"][999], json!(["Țuțea 999", "a999@b.ro"]));
    let text = String::from_utf8(bytes_of(&message)).unwrap();
    let longest = text.split("\r\n").map(str::len).max().unwrap();
    assert!(longest <= 78, "{longest}");
    let long = vec![format!("{}@{}.ro", "a".repeat(60), "b".repeat(60)); 1000];
    let fault = compose(&email(json!({"to": long})), &sender()).unwrap_err();
    assert_eq!((fault.place.as_str(), fault.code), ("to", "header_too_long"));
}

#[test]
fn a_sender_name_that_nobody_checked_is_refused() {
    let mut sender = sender();
    sender.from.name = Some("Alfa\r\nBcc: x@y.ro".to_owned());
    let fault = compose(&email(json!({"to": "a@b.ro"})), &sender).unwrap_err();
    assert_eq!((fault.place.as_str(), fault.code), ("sender_name", "control_character"));
}

#[test]
fn an_email_without_files_and_one_with_an_empty_file_are_whole() {
    let mut bare = email(json!({"to": "a@b.ro", "body": "x"}));
    bare.files.clear();
    let read = read_back(&[bytes_of(&compose(&bare, &sender()).unwrap())]).remove(0);
    assert_eq!((&read["files"], &read["defects"]), (&json!([]), &json!([])));
    let json = json!({"to": "a@b.ro", "attachments": [{"base64": "", "file_name": "a"}, {"base64": "aGk=", "file_name": "b"}]});
    let (message, read) = composed(json, &sender());
    // Python forgives it, RFC 2046 does not: a boundary has a line break of its own before it.
    assert!(String::from_utf8(bytes_of(&message)).unwrap().contains("\r\n\r\n\r\n--=_"));
    assert_eq!(
        (&read["files"][1][2], &read["files"][2][2], &read["defects"]),
        (&json!(""), &json!("aGk="), &json!([]))
    );
}

#[test]
fn the_same_key_gives_the_same_message_id() {
    let id =
        |key: &str| compose(&email(json!({"to": "x@y.ro", "idempotency_key": key})), &sender()).unwrap().message_id;
    assert_eq!(id("invoice-7"), id("invoice-7"));
    assert_ne!(id("invoice-7"), id("invoice-8"));
}

#[test]
fn two_messages_share_neither_identity_nor_boundary() {
    let email = email(json!({"to": "a@b.ro"}));
    let [one, other] = [(); 2].map(|()| compose(&email, &sender()).unwrap());
    assert_ne!(one.message_id, other.message_id);
    assert!(one.message_id.starts_with('<') && one.message_id.ends_with("@alfa.ro>"));
    let boundary =
        |message| String::from_utf8(bytes_of(message)).unwrap().split("boundary=\"").nth(1).unwrap()[..34].to_owned();
    assert_ne!(boundary(&one), boundary(&other));
}

/// Bodies with every way to trip an encoding: long lines, dots, trailing spaces, what looks like a boundary.
#[test]
fn bodies_arrive_byte_for_byte() {
    let bodies = [
        "",
        "\r\n",
        ".",
        "a\n.\nb",
        "From x\n--\n--=_\n",
        "trailing  \t\n \n",
        &"x".repeat(5000),
        &"ă".repeat(5000),
        "a=b=3D\u{7f}\u{85}\u{2028}",
        "\n\n\n",
        "Γειά\r\rσου",
        &"lorem ipsum ".repeat(500),
    ];
    let messages: Vec<_> = bodies
        .iter()
        .map(|body| {
            let json = json!({"to": "a@b.ro", "body_text": body, "body_html": format!("<p>{body}</p>")});
            bytes_of(&compose(&email(json), &sender()).unwrap())
        })
        .collect();
    for (read, body) in read_back(&messages).iter().zip(bodies) {
        let sent = body.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        assert_eq!(read["text"], json!(sent));
        assert_eq!(read["html"], json!(format!("<p>{sent}</p>")));
    }
}

/// Text with more than its share of what has a meaning in a header.
fn awkward() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,12}",
        "[ -~]{0,20}",
        "[\"\\\\=?<>@,;:%*' ]{0,8}",
        "[a-z]{60,130}",
        "[ăîșțâéß中🧾عא]{1,30}",
        Just("=?utf-8?q?x?=".to_owned()),
        " {1,90}",
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_accepted_arrives(texts in proptest::collection::vec((awkward(), awkward(), awkward()), 24)) {
        let mut expected = Vec::new();
        let mut messages = Vec::new();
        for (subject, name, file) in texts {
            let quoted = format!("\"{}\" <a@b.ro>", name.replace('\\', "\\\\").replace('"', "\\\""));
            let file: String = format!("f{}", file.replace(['/', '\\'], "").replace("=?", "=")).chars().take(80).collect();
            let json = json!({"to": ["x@y.ro", quoted], "subject": subject, "document": {"file_name": file}});
            if let Ok(email) = Email::from_json(json, Some(Bytes::from_static(b"%PDF-"))) {
                messages.push(bytes_of(&compose(&email, &sender()).unwrap()));
                expected.push((subject, name.trim().to_owned(), file));
            }
        }
        prop_assert!(messages.len() > 12, "the texts are refused too often for a test");
        for (read, (subject, name, file)) in read_back(&messages).iter().zip(expected) {
            prop_assert_eq!(&read["subject"], &json!(subject));
            prop_assert_eq!(&read["to"], &json!([["", "x@y.ro"], [name, "a@b.ro"]]));
            prop_assert_eq!(&read["files"][0][0], &json!(file));
        }
    }

    #[test]
    fn no_list_of_addresses_panics(typed in awkward()) {
        let mut faults = crate::input::Faults::new();
        for mailbox in parse_mailboxes("to", &typed, &mut faults) {
            prop_assert_eq!(Address::parse(mailbox.address.as_str()), Ok(mailbox.address));
        }
        prop_assert!(faults.len() <= MAX_FAULTS);
    }
}
