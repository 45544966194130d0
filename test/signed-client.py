"""Signs messages with what Python brings along (docs/wire.md, "Signed messages").
Usage: signed-client.py <http url> <token> <id> <key>, or signed-client.py <signed-messages.json> to check the examples."""
import base64, hashlib, hmac, json, sys, time, urllib.error, urllib.request, uuid


def canonical(envelope):
    return json.dumps(envelope, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def mac(key, text):
    return base64.urlsafe_b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()


def sign(key, sender, **fields):
    envelope = {"ver": "1.0", "msgid": uuid.uuid4().hex, "timestamp": int(time.time() * 1000), "from": sender, "to": "server", "type": "status", "payload": None, "qos": 0, "retain": False, "nonce": uuid.uuid4().hex}
    envelope.update(fields)
    return {**envelope, "mac": mac(key, canonical(envelope))}


def post(url, token, envelope):
    request = urllib.request.Request(url + "/api/messages", json.dumps(envelope).encode(), {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
    try:
        return urllib.request.urlopen(request, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


if len(sys.argv) == 2:
    examples = json.load(open(sys.argv[1], encoding="utf-8"))
    for one in examples["vectors"]:
        assert mac(examples["key"], one["canonical"]) == one["mac"], one["name"]
        if one["plain"]:
            defaults = {"ver": "1.0", "from": one["authenticated"], "to": "server", "payload": None, "qos": 0, "retain": False}
            frame = {**defaults, **json.loads(one["frame"])}
            if frame["type"] == "control":
                frame["type"] = "command"
            assert canonical(frame) == one["canonical"], one["name"]
    print(len(examples["vectors"]))
else:
    url, token, sender, key = sys.argv[1:]
    message = sign(key, sender, qos=1, payload={"temperature": 21.5, "room": "Küche", "on": True, "list": [1, None]})
    print(post(url, token, message), post(url, token, message), post(url, token, {**message, "payload": 99}), post(url, token, sign("not the key", sender)))
