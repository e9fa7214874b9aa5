package filesystem

import (
	"testing"

	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

func zone(text string) artifacttest.Source {
	return artifacttest.Source{Path: "Users/sato/Downloads/plan.zip:Zone.Identifier", Data: []byte(text)}
}

func TestZoneIdentifier(t *testing.T) {
	r := artifacttest.Run(t, ZoneIdentifier, zone("[ZoneTransfer]\r\nZoneId=3\r\nReferrerUrl=http://mail.example/\r\nHostUrl=http://mail.example:8080/a/1\r\n"))
	e := r.Events[0]
	if !e.Fact || e.Path != "Users/sato/Downloads/plan.zip" || e.URL != "http://mail.example:8080/a/1" || e.Host != "mail.example" || e.Port != 8080 || e.Action != event.Downloaded {
		t.Errorf("%+v", e)
	}
	// As Windows 7 writes it, and in UTF-16.
	for _, text := range []string{"[ZoneTransfer]\r\nZoneId=3\r\n", "[ZoneTransfer]\r\nZoneId=3", "\xFF\xFE[\x00Z\x00o\x00n\x00e\x00T\x00r\x00a\x00n\x00s\x00f\x00e\x00r\x00]\x00\n\x00Z\x00o\x00n\x00e\x00I\x00d\x00=\x003\x00"} {
		r := artifacttest.Read(ZoneIdentifier, zone(text))
		if len(r.Events) != 1 || len(r.Problems) > 0 || r.Events[0].Message != "Users/sato/Downloads/plan.zip is marked as from: internet" {
			t.Errorf("%q: %+v", text, r)
		}
	}
	if r := artifacttest.Read(ZoneIdentifier, zone("nonsense")); r.Err == nil {
		t.Errorf("%+v", r)
	}
}

func FuzzZoneIdentifier(f *testing.F) {
	f.Add([]byte("[ZoneTransfer]\r\nZoneId=3\r\nHostUrl=http://a/\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r := artifacttest.Read(ZoneIdentifier, zone(string(b))); !r.Counts.Reconciles() {
			t.Errorf("%+v", r.Counts)
		}
	})
}
