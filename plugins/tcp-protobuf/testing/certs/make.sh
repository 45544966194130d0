#!/bin/sh
# Makes the certificates of tls.test.ts, good for a hundred years. They protect nothing: the keys are public.
set -eu
cd "$(dirname "$0")"
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
sign() { openssl req -new -key "$1.key" -subj "/CN=$2" | openssl x509 -req -CA "$3.pem" -CAkey "$3.key" -CAcreateserial -days 36500 -extfile "$4" -out "$1.pem"; }
for ca in ca stranger-ca; do
  key $ca
  openssl req -x509 -new -key $ca.key -subj "/CN=busbar test $ca" -days 36500 -addext basicConstraints=critical,CA:TRUE -out $ca.pem
done
printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n' > server.ext
printf 'subjectAltName=DNS:press-1.plant.example\nextendedKeyUsage=clientAuth\n' > client.ext
key server && sign server localhost ca server.ext
key client && sign client press-1 ca client.ext
key stranger && sign stranger press-1 stranger-ca client.ext
rm -f ./*.srl ./*.ext ca.key stranger-ca.key stranger-ca.pem
