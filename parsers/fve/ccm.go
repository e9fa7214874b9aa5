package fve

import (
	"crypto/aes"
	"crypto/subtle"
	"errors"
)

// errTag says that a key does not fit, or that the bytes were changed.
var errTag = errors.New("the tag does not fit")

// openCCM decrypts an AES-CCM value: a nonce of 12 bytes, a tag of 16, then the
// ciphertext (RFC 3610 with L = 3 and M = 16, no further data).
func openCCM(key, b []byte) ([]byte, error) {
	const nonceLen, tagLen = 12, 16
	if len(b) < nonceLen+tagLen {
		return nil, errTag
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	nonce, tag, text := b[:nonceLen], b[nonceLen:nonceLen+tagLen], b[nonceLen+tagLen:]
	var counter, stream, mac [16]byte
	counter[0] = 2 // L - 1
	copy(counter[1:], nonce)
	plain := make([]byte, len(text))
	for i := 0; i < len(text); i += 16 {
		n := i/16 + 1
		counter[13], counter[14], counter[15] = byte(n>>16), byte(n>>8), byte(n)
		block.Encrypt(stream[:], counter[:])
		subtle.XORBytes(plain[i:], text[i:min(i+16, len(text))], stream[:])
	}
	mac[0] = 0x3A // (M-2)/2 << 3 | L-1
	copy(mac[1:], nonce)
	mac[13], mac[14], mac[15] = byte(len(text)>>16), byte(len(text)>>8), byte(len(text))
	block.Encrypt(mac[:], mac[:])
	for i := 0; i < len(plain); i += 16 {
		subtle.XORBytes(mac[:], mac[:], plain[i:min(i+16, len(plain))])
		block.Encrypt(mac[:], mac[:])
	}
	counter[13], counter[14], counter[15] = 0, 0, 0
	block.Encrypt(stream[:], counter[:])
	subtle.XORBytes(mac[:], mac[:], stream[:])
	if subtle.ConstantTimeCompare(mac[:], tag) != 1 {
		return nil, errTag
	}
	return plain, nil
}
