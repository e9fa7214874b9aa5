package eml

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
)

// lure is written by hand after RFC 2045 to 2047: an encoded subject, two
// hops, one attachment.
const lure = "Received: from mail.mofa-jp.example (unknown [203.0.113.77])\r\n\tby mx1.kokusai.example with ESMTP id 1;\r\n\tWed, 24 Aug 2011 09:29:40 +0900\r\n" +
	"Received: from pc (localhost) by mail.mofa-jp.example; Wed, 24 Aug 2011 09:29:01 +0900\r\n" +
	"From: =?UTF-8?B?5aCx6YGT6Kqy?= <press@mofa-jp.example>\r\nTo: sato@kokusai.example\r\nMessage-ID: <1@mofa-jp.example>\r\n" +
	"Subject: =?ISO-2022-JP?B?GyRCMnE1RDtxTkEkTjdvGyhC?=\r\nDate: Wed, 24 Aug 2011 09:28:58 +0900\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\npassword 0824\r\n--b\r\n" +
	"Content-Type: application/octet-stream; name=\"=?UTF-8?B?6LOH5paZLnppcA==?=\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"=?UTF-8?B?6LOH5paZLnppcA==?=\"\r\n\r\naGVsbG8=\r\n--b--\r\n"

func TestParse(t *testing.T) {
	m, err := Parse([]byte(lure))
	if err != nil {
		t.Fatal(err)
	}
	if m.Subject != "会議資料の件" || m.MessageID != "<1@mofa-jp.example>" || m.From[0] != (Address{"報道課", "press@mofa-jp.example"}) || m.To[0].Address != "sato@kokusai.example" {
		t.Errorf("%+v", m)
	}
	// 2011-08-24 00:28:58 and 00:29:40 UTC, by date(1).
	if m.Date != (1314145738+11644473600)*1e7 || len(m.Received) != 2 || m.Received[0].Time != (1314145780+11644473600)*1e7 {
		t.Errorf("times %d, %+v", m.Date, m.Received)
	}
	if len(m.Attachments) != 1 || m.Attachments[0].Name != "資料.zip" || string(m.Attachments[0].Content) != "hello" || !strings.Contains(m.Text, "0824") {
		t.Errorf("%+v %q", m.Attachments, m.Text)
	}
}

func TestSplit(t *testing.T) {
	box := "From - Wed Aug 24 09:29:40 2011\nX-Mozilla-Status: 0001\nSubject: a\n\nFrom here on it is text\n\nFrom that we conclude nothing\n\nFrom b@x Wed Aug 24 09:30:00 2011\r\nSubject: b\r\n\r\nx\r\n"
	parts := Split([]byte(box))
	if len(parts) != 2 || parts[0].Offset != 0 || !bytes.HasPrefix(parts[1].Data, []byte("Subject: b")) || parts[1].Time == 0 {
		t.Fatalf("%d parts %+v", len(parts), parts)
	}
}

// TestSplitMozilla: no empty line before the separator, no time in it, a byte
// order mark before the first, and a sentence before what looks like a header.
func TestSplitMozilla(t *testing.T) {
	for _, c := range []struct {
		box  string
		want int
	}{
		{"From - \nSubject: a\n\n--b--\nFrom - \nSubject: b\n\nx\nFrom - Mon Jun  3 12:50:27 1996\nSubject: c\n\nx\n", 3},
		{"\xEF\xBB\xBFFrom -\r\nSubject: a\r\n\r\nFrom Russia with love\r\nYear: 1963\r\n\r\nFrom -\r\nSubject: b\r\n\r\nFrom Russia with love\r\n", 2},
		{"From a@x Wed Aug 24 09:30:00 2011\nSubject: a\n\nx\n\nFrom b@x\nSubject: b\n\nx\n", 2},
		{"From a@x Wed Aug 24 09:30:00 2011\nSubject: a\n\nx\nFrom b@x\nSubject: b\n\nx\n", 1},
	} {
		if parts := Split([]byte(c.box)); len(parts) != c.want {
			t.Errorf("%q: %d messages, want %d", c.box, len(parts), c.want)
		}
	}
}

// TestMailboxes compares with the number of "From " lines: of the second
// folder one of them is a sentence (MimeKit's test of unmunged lines), and
// the first begins behind a byte order mark that python does not know.
func TestMailboxes(t *testing.T) {
	for file, want := range map[string]int{"content-length": 29, "unmunged": 2} {
		b, err := os.ReadFile(corpus.Path(t, "artifacts/eml/jstedfast+MimeKit/mbox/"+file+".mbox.txt"))
		if err != nil {
			t.Fatal(err)
		}
		if parts := Split(b); len(parts) != want {
			t.Errorf("%s: %d messages, want %d", file, len(parts), want)
		}
	}
}

// TestCorpus compares with python's email package, as the truth table has it.
func TestCorpus(t *testing.T) {
	n := 0
	for _, row := range corpus.Truth(t, "eml") {
		if row["kind"] != "eml" {
			continue
		}
		b, err := os.ReadFile(corpus.Path(t, "artifacts/"+row["file"]))
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(b)
		if err != nil {
			t.Errorf("%s: %v", row["file"], err)
			continue
		}
		n++
		for _, name := range strings.Split(row["attachment_names"], " | ") {
			if name == "" {
				continue
			}
			found := false
			for _, a := range m.Attachments {
				found = found || a.Name == name
			}
			if !found {
				t.Errorf("%s: no attachment %s", row["file"], name)
			}
		}
		if id := row["message-id"]; id != "" && m.MessageID != id {
			t.Errorf("%s: message id %q, want %q", row["file"], m.MessageID, id)
		}
	}
	if n < 30 {
		t.Errorf("%d messages", n)
	}
}

// TestTruncation: a cut message has fewer bytes in its attachment, and says so.
func TestTruncation(t *testing.T) {
	for i := len(lure) - 12; i > 0; i-- {
		m, err := Parse([]byte(lure[:i]))
		if err != nil {
			continue
		}
		whole := len(m.Attachments) == 1 && string(m.Attachments[0].Content) == "hello"
		inBody := strings.Contains(lure[:i], "\r\n\r\n--b")
		if inBody && !whole && len(m.Problems) == 0 {
			t.Fatalf("cut at %d: the loss is silent", i)
		}
	}
}

func TestNotMail(t *testing.T) {
	for _, s := range []string{"", "MZ\x90\x00", "hello world\n", "a b: c\n"} {
		if _, err := Parse([]byte(s)); !errors.Is(err, ErrNotMail) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(lure))
	f.Add([]byte("Subject: x\n\nbody"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := Parse(b); err == nil && m == nil {
			t.Error("nothing and no error")
		}
		for _, p := range Split(b) {
			_ = fmt.Sprint(p.Offset)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.SetBytes(int64(len(lure)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse([]byte(lure)); err != nil {
			b.Fatal(err)
		}
	}
}
