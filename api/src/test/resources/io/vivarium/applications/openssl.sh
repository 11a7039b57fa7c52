# SPDX-License-Identifier: Apache-2.0
# Digests, ciphers, keys, certificates, and a TLS connection between two processes.
cd "$(mktemp -d)" || exit 1
seq 1 100000 >data
for digest in md5 sha1 sha256 sha3-512 blake2b512; do openssl dgst -$digest data; done
for cipher in aes-128-cbc aes-256-ctr chacha20 camellia-256-cbc; do
	openssl enc -$cipher -pbkdf2 -S 0011223344556677 -k secret -in data -out sealed && openssl dgst -sha256 sealed
	openssl enc -d -$cipher -pbkdf2 -S 0011223344556677 -k secret -in sealed | cmp - data && echo "$cipher: the same"
done
openssl enc -d -aes-128-cbc -pbkdf2 -k wrong -in sealed -out /dev/null 2>/dev/null; echo "wrong key $(($? != 0))"
openssl dgst -sha256 -hmac key data; openssl rand -hex 16 | wc -c; openssl prime 1000003; openssl passwd -6 -salt salt word
openssl genpkey -algorithm ED25519 -out ed.pem; openssl pkeyutl -sign -inkey ed.pem -rawin -in data -out signature
openssl pkey -in ed.pem -pubout -out public.pem; openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in data -sigfile signature
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 3650 -subj /CN=localhost 2>/dev/null
openssl x509 -in cert.pem -noout -subject -issuer; openssl verify -CAfile cert.pem cert.pem
openssl s_server -accept 127.0.0.1:44330 -key key.pem -cert cert.pem -naccept 1 -quiet -rev >server 2>&1 & server=$!
for attempt in $(seq 1 200); do
	# The end of the input ends the connection: it must not come before the answer.
	(echo hello; until [ -s answer ] || [ -e refused ]; do sleep 0.05; done) |
		{ openssl s_client -connect 127.0.0.1:44330 -CAfile cert.pem -verify_return_error -quiet -no_ign_eof 2>/dev/null || : >refused; } >answer
	[ -s answer ] && break
	rm -f refused; sleep 0.05
done
kill $server 2>/dev/null; wait $server 2>/dev/null
echo "answered $(cat answer)"
openssl speed -seconds 1 -bytes 1024 sha256 2>/dev/null | grep -c sha256
openssl nothing 2>/dev/null; echo "exit $?"
