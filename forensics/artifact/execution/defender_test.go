package execution

import (
	"testing"

	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

// TestDefender: values are those of plaso's own test.
func TestDefender(t *testing.T) {
	src := avSample(t, "6AFE33A0-19BA-4FFF-892F-B700539D7D63")
	src.Path = "ProgramData/Microsoft/Windows Defender/Scans/History/Service/DetectionHistory/02/6AFE33A0-19BA-4FFF-892F-B700539D7D63"
	if !Defender.Loose("x", src.Data[:4096]) {
		t.Error("not taken for a detection")
	}
	r := artifacttest.Read(Defender, src)
	if r.Err != nil || len(r.Problems) > 0 || len(r.Events) != 3 {
		t.Fatal(r)
	}
	e := r.Events[1]
	if e.Action != event.Detected || e.User != `FRYPTOP\testuser` || e.Path != "Users/testuser/Downloads/eicar_com.zip" || e.SHA256 != "" ||
		e.Message != `Microsoft Defender: Virus:DOS/EICAR_Test_File in file C:\Users\testuser\Downloads\eicar_com.zip->eicar.com` {
		t.Errorf("%+v", e)
	}
	if e := r.Events[2]; e.URL != "https://secure.eicar.org/eicar_com.zip" || e.Path != "Users/testuser/Downloads/eicar_com.zip" {
		t.Errorf("%+v", e)
	}
	artifacttest.Run(t, Defender, src)
}
