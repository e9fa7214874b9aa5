package cli

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	_ "time/tzdata" // zones must be known on a machine that has none of its own
)

// BuildVersion and BuildCommit say what this binary was made from.
func BuildVersion() (version, commit string) {
	version, commit = "devel", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, commit
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return version, commit
}

// OwnDigest is the SHA-256 of the running program's file.
func OwnDigest() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(exe)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// Version prints version, commit and the binary's own digest.
func Version(w io.Writer, name string) error {
	version, commit := BuildVersion()
	digest, err := OwnDigest()
	if err != nil {
		return fmt.Errorf("read this program's own file: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s %s\ncommit  %s\nsha256  %s\n", name, version, commit, digest)
	return err
}
