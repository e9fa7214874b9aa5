package mail

import (
	"os"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

const letter = "Received: from a by b; Wed, 24 Aug 2011 09:29:40 +0900\r\nFrom: Press <press@x.example>\r\nTo: sato@y.example\r\nMessage-ID: <1@x>\r\nSubject: hello\r\nDate: Wed, 24 Aug 2011 09:28:58 +0900\r\n\r\nbody\r\n"

func TestEML(t *testing.T) {
	r := artifacttest.Run(t, EML, artifacttest.Source{Path: "Users/sato/AppData/Local/Microsoft/Windows Live Mail/Inbox/1.eml", Data: []byte(letter)})
	if len(r.Events) != 1 || r.Events[0].Mail != "press@x.example" || r.Events[0].Ticks.Format(event.Second) != "2011-08-24T00:29:40Z" || r.Events[0].Action != event.MailReceived {
		t.Errorf("%s", artifacttest.Text(r.Events))
	}
	sent := artifacttest.Read(EML, artifacttest.Source{Path: "Users/sato/AppData/Local/Microsoft/Windows Live Mail/Sent Items/1.eml", Data: []byte(letter)})
	if sent.Events[0].Action != event.MailSent || sent.Events[0].Mail != "sato@y.example" {
		t.Errorf("%s", artifacttest.Text(sent.Events))
	}
}

func TestMailbox(t *testing.T) {
	box := "From - Wed Aug 24 00:29:40 2011\n" + letter + "\nFrom - Wed Aug 24 00:30:40 2011\n" + strings.Replace(letter, "<1@x>", "<2@x>", 1)
	src := artifacttest.Source{Path: "Users/sato/AppData/Roaming/Thunderbird/Profiles/a.default/Mail/Local Folders/Inbox", Data: []byte(box)}
	artifacttest.Card(t, Mailbox)
	r := artifacttest.Read(Mailbox, src)
	for i := range r.Events {
		artifacttest.Event(t, Mailbox, &r.Events[i], int64(len(box)))
	}
	// The format has no length and no end: a cut shows only where it is in the
	// middle of a line.
	for n := 20; n < len(box); n++ {
		src.Data = []byte(box[:n])
		if c := artifacttest.Read(Mailbox, src); box[n-1] != '\n' && len(c.Problems) == 0 && c.Err == nil {
			t.Fatalf("cut at %d: the loss is silent", n)
		}
	}
	if len(r.Events) != 2 || r.Counts.Decoded != 2 {
		t.Errorf("%+v\n%s", r.Counts, artifacttest.Text(r.Events))
	}
	if r := artifacttest.Read(Mailbox, artifacttest.Source{Path: "x/Inbox.msf", Data: []byte("// <!-- <mdb:mork:z v=\"1.4\"/> -->")}); r.Err != nil || len(r.Events) != 0 {
		t.Errorf("an index: %v", r.Err)
	}
}

func TestPasswords(t *testing.T) {
	got := strings.Join(passwords("添付のパスワードは 0824 です。 See \"Abc-12\"."), " ")
	if got != `0824 See "Abc-12". Abc-12` {
		t.Errorf("%q", got)
	}
}

// TestMSGCorpus compares with olefile, as the truth table has it.
func TestMSGCorpus(t *testing.T) {
	n := 0
	for _, row := range corpus.Truth(t, "msg") {
		b, err := os.ReadFile(corpus.Path(t, "artifacts/"+row["file"]))
		if err != nil {
			t.Fatal(err)
		}
		r := artifacttest.Read(MSG, artifacttest.Source{Path: "Users/a/Desktop/m.msg", Data: b})
		if r.Err != nil || len(r.Events) == 0 || !r.Counts.Reconciles() {
			t.Errorf("%s: %v %+v", row["file"], r.Err, r.Counts)
			continue
		}
		n++
		e := r.Events[0]
		if got := field(e, "subject"); got != row["subject"] {
			t.Errorf("%s: subject %q, want %q", row["file"], got, row["subject"])
		}
		if want := row["delivery"]; want != "" && e.Action == event.MailReceived && e.Ticks.String() != want {
			t.Errorf("%s: delivered %s, want %s", row["file"], e.Ticks, want)
		}
		for _, name := range strings.Split(row["attachment_names"], " | ") {
			if name != "" && !strings.Contains(field(e, "attachments"), jsonText(name)) {
				t.Errorf("%s: no attachment %s in %s", row["file"], name, field(e, "attachments"))
			}
		}
	}
	if n != 15 {
		t.Errorf("%d messages", n)
	}
}

func jsonText(s string) string { return string(event.AppendJSON(nil, s)) }

func field(e event.Event, name string) string {
	for _, f := range e.Fields {
		if f.Name == name {
			return f.Text()
		}
	}
	return ""
}
