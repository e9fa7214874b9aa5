package program

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/cat"
)

// TestCorpus describes every file through child processes and holds the rows
// against pefile's answers; the places where the two differ have their reasons
// in parsers/pe.
func TestCorpus(t *testing.T) {
	pool := NewPool(2, Limits{})
	defer pool.Close()
	files, programs := 0, 0
	for _, want := range corpus.Truth(t, "pe") {
		b, err := os.ReadFile(corpus.Path(t, want["file"]))
		if err != nil {
			t.Fatal(err)
		}
		files++
		f, ps := DescribeBytes(t.Context(), b, Options{Pool: pool, Source: want["file"]})
		for _, p := range ps {
			if p.Kind == "parser fault" || p.Kind == "not repeatable" {
				t.Errorf("%s: %+v", want["file"], p)
			}
		}
		if f.SHA256 != want["sha256"] || strconv.FormatInt(f.Size, 10) != want["size"] {
			t.Errorf("%s: digest %s of %d bytes", want["file"], f.SHA256, f.Size)
		}
		if f.IsProgram != (want["pefile"] == "ok") {
			t.Errorf("%s: program %v (%s), pefile says %s", want["file"], f.IsProgram, f.NotProgram, want["pefile"])
		}
		if !f.IsProgram {
			continue
		}
		programs++
		for k, v := range map[string]string{"machine": f.Machine, "timestamp": fmt.Sprint(f.Timestamp), "entry": f.EntryPoint, "rich_hash": f.RichHash} {
			if v != want[k] {
				t.Errorf("%s: %s %s, want %s", want["file"], k, v, want[k])
			}
		}
	}
	t.Logf("%d files, %d programs", files, programs)
}

// cellCut is where the table cuts long cells; the last name may be cut too.
const cellCut = 390

// list splits a cell that holds one value for each signature, its counter
// digests left out: the table repeats each algorithm for the signed content.
func list(cell string) []string {
	var out []string
	for _, v := range strings.Split(cell, " | ") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}

func slashes(n string) string { return "/" + strings.ReplaceAll(n, ", ", "/") }

// TestAuthenticode compares with osslsigncode 2.9: digests, signers, times.
func TestAuthenticode(t *testing.T) {
	signed, excused := 0, 0
	for _, want := range corpus.Truth(t, "pe_authenticode") {
		name := want["file"]
		b, err := os.ReadFile(corpus.Path(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if want["kind"] == "cat" {
			checkCatalogue(t, name, b, want)
			continue
		}
		f, _ := DescribeBytes(t.Context(), b, Options{Source: name})
		n := 0
		if f.Signature != nil {
			n = len(f.Signature.Signatures)
		}
		if why := seen[name]; why != "" {
			if strconv.Itoa(n) == want["signatures"] {
				t.Errorf("%s: the reason given is stale", name)
			}
			excused++
			continue
		}
		if strconv.Itoa(n) != want["signatures"] {
			t.Errorf("%s: %d signatures, want %s", name, n, want["signatures"])
			continue
		}
		if n == 0 {
			continue
		}
		signed++
		var stored, calculated []string
		match := "yes"
		for _, s := range f.Signature.Signatures {
			stored = append(stored, strings.ToUpper(s.DigestStored))
			calculated = append(calculated, strings.ToUpper(s.DigestCalculated))
			if s.DigestMatch == nil || !*s.DigestMatch {
				match = "NO"
			}
		}
		if !slices.Equal(stored, list(want["digest_stored"])) || !slices.Equal(calculated, list(want["digest_calculated"])) || match != want["digest_match"] {
			t.Errorf("%s: %v %v %s, want %s %s %s", name, stored, calculated, match, want["digest_stored"], want["digest_calculated"], want["digest_match"])
		}
		if state := map[string]State{"yes": Agrees, "NO": Differs}[want["digest_match"]]; f.State != state {
			t.Errorf("%s: %s, want %s", name, f.State, state)
		}
		checkSigners(t, name, f, want)
	}
	t.Logf("%d signed programs agree, %d differ with a reason", signed, excused)
}

// seen are files in which osslsigncode counts other signatures, and why.
var seen = map[string]string{
	"pe/corkami/signature.exe": "the message is byte for byte that of standard.exe, where osslsigncode reads it and finds the digest to differ",
	"pe/radare2-testbins/signature2.exe": "the same message with four bytes of an object identifier overwritten (offset 0x73): openssl gives up, " +
		"signer and stored digest are still there to be read, and the signature over them is broken",
	"pe/radare2-testbins/r2_nullptr_r_pkcs7_parse_signeddata": notLast + "; of the message only the digest can be read, no signer",
	"pe/uthenticode/YourPhone.exe":                            notLast + "; the digest over all but the table fits, as Windows computes it",
	"pe/made/after-signature.exe":                             notLast + "; the digest, which covers the appended bytes, differs",
}

const notLast = "osslsigncode ignores a table that is not at the end of the file"

func checkSigners(t *testing.T, name string, f *Facts, want map[string]string) {
	t.Helper()
	serials, subjects := list(want["serial"]), list(want["subject"])
	if len(serials) == 0 {
		return // osslsigncode prints no signer where the digest differs
	}
	var times, texts []string
	for i, s := range f.Signature.Signers {
		if !slices.Contains(serials, s.Serial) || (len(want["subject"]) < cellCut && !slices.Contains(subjects, slashes(s.Subject))) {
			t.Errorf("%s: signer %s %s, not in %s", name, s.Serial, s.Subject, want["serial"])
		}
		if i == 0 && s.Serial != serials[0] {
			t.Errorf("%s: the first signer is %s, want %s", name, s.Serial, serials[0])
		}
		if s.SignatureIntact == "broken" {
			t.Errorf("%s: signature of %s broken", name, s.Name)
		}
		for _, c := range s.Countersigned {
			at, _ := time.Parse(time.RFC3339, c.Time)
			times = append(times, at.Format("Jan _2 15:04:05 2006 GMT"))
		}
		if s.Program != "" && !slices.Contains(texts, s.Program) {
			texts = append(texts, s.Program)
		}
	}
	slices.Sort(times)
	wantTimes := list(want["timestamp"])
	slices.Sort(wantTimes)
	if !slices.Equal(times, wantTimes) {
		t.Errorf("%s: times %q, want %q", name, times, wantTimes)
	}
	if strings.Join(texts, " | ") != want["text"] {
		t.Errorf("%s: text %q, want %q", name, texts, want["text"])
	}
}

func checkCatalogue(t *testing.T, name string, b []byte, want map[string]string) {
	t.Helper()
	c, err := cat.Parse(b)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if strconv.Itoa(len(c.Signers)) != want["signatures"] {
		t.Errorf("%s: %d signers, want %s", name, len(c.Signers), want["signatures"])
		return
	}
	for _, s := range c.Signers {
		if s.Serial != list(want["serial"])[0] || slashes(s.Name()) != list(want["subject"])[0] || s.Program != want["text"] || s.DigestAlg != want["digest_alg"] {
			t.Errorf("%s: %s %s %q %s", name, s.Serial, s.Name(), s.Program, s.DigestAlg)
		}
		if got := s.Counter[0].Time.Format("Jan _2 15:04:05 2006 GMT"); got != want["timestamp"] {
			t.Errorf("%s: %s, want %s", name, got, want["timestamp"])
		}
	}
}
