package custody

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"aead.dev/minisign"
)

// SignatureName is the file of a paper's minisign signature.
func SignatureName(paper string) string { return paper + ".minisig" }

// Sign makes the minisign signature of a paper, as minisign -S would: of its
// BLAKE2b digest, with a comment that is signed too. The key is the text of a
// secret key's file; password is asked for only where it is encrypted.
func Sign(paper, key []byte, comment string, password func() (string, error)) ([]byte, error) {
	k, err := secretKey(key, password)
	if err != nil {
		return nil, err
	}
	r := minisign.NewReader(bytes.NewReader(paper))
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, err
	}
	return r.SignWithComments(k, comment, fmt.Sprintf("signature from minisign secret key %X", k.ID())), nil
}

func secretKey(text []byte, password func() (string, error)) (minisign.PrivateKey, error) {
	var k minisign.PrivateKey
	if !minisign.IsEncrypted(text) {
		err := k.UnmarshalText(text)
		return k, err
	}
	word, err := password()
	if err != nil {
		return k, err
	}
	return minisign.DecryptKey(word, text)
}

// ErrSignature says that a signature is not one of this paper by this key.
var ErrSignature = errors.New("the signature is not one of this file by this key")

// VerifySignature checks a paper's signature against the text of a public key's
// file, or the key alone, and gives the comment that was signed with it.
func VerifySignature(paper, signature, key []byte) (comment string, err error) {
	var k minisign.PublicKey
	if err := k.UnmarshalText(key); err != nil {
		return "", fmt.Errorf("no minisign public key: %w", err)
	}
	var s minisign.Signature
	if err := s.UnmarshalText(signature); err != nil {
		return "", fmt.Errorf("no minisign signature: %w", err)
	}
	if s.KeyID != k.ID() {
		return "", fmt.Errorf("%w: signed with key %X, the key given is %X", ErrSignature, s.KeyID, k.ID())
	}
	if !minisign.Verify(k, paper, signature) {
		return "", ErrSignature
	}
	return s.TrustedComment, nil
}

// ReadPaper reads a paper and its signature; no signature is nil.
func ReadPaper(name string) (paper, signature []byte, err error) {
	if paper, err = os.ReadFile(name); err != nil {
		return nil, nil, err
	}
	signature, err = os.ReadFile(SignatureName(name))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return paper, signature, err
}
