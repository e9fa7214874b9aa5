package device

import (
	"os"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

var tokyo = &artifact.Machine{Zone: artifact.Zone{Name: "Tokyo Standard Time", Bias: -540}}

// devLog is the head of the corpus sample and a made-up section after its form.
const devLog = `[Device Install Log]
     OS Version = 6.1.7601

[BeginLog]

[Boot Session: 2011/10/25 08:58:03.498]

>>>  [Device Install (Hardware initiated) - USBSTOR\Disk&Ven_Kingston&Prod_DataTraveler&Rev_1.00\0019E06B9C85F9A0&0]
>>>  Section start 2011/10/25 09:00:01.110
     ump: Creating Install Process: DrvInst.exe 09:00:01.110
     dvi:           HardwareID   - USBSTOR\DiskKingstonDataTraveler1.00
     dvi:           InfName      - C:\Windows\System32\DriverStore\FileRepository\disk.inf_amd64_neutral\disk.inf
     dvi:           DrvDate      - 06/21/2006
<<<  Section end 2011/10/25 09:00:03.220
<<<  [Exit status: SUCCESS]

>>>  [Setup Import Driver Package - C:\Tools\x.inf]
>>>  Section start 2011/10/25 09:10:00.000
      cmd: "C:\Tools\setup.exe" /s
<<<  Section end 2011/10/25 09:10:00.500
<<<  [Exit status: FAILURE(0x00000002)]

`

func TestSetupAPI(t *testing.T) {
	r := artifacttest.Run(t, SetupAPI, artifacttest.Source{Path: "Windows/INF/setupapi.dev.log", Data: []byte(devLog), Machine: tokyo})
	want := strings.Join([]string{
		`2011-10-24T23:58:03.498Z  boot session  started  system started (boot session of the device installation log)`,
		`2011-10-25T00:00:01.110Z  device installed (found by plug and play)  device-attached  device installed (found by plug and play): Device Install (Hardware initiated) USBSTOR\Disk&Ven_Kingston&Prod_DataTraveler&Rev_1.00\0019E06B9C85F9A0&0`,
		`2011-10-25T00:10:00.000Z  driver set up  installed  driver set up: Setup Import Driver Package C:\Tools\x.inf (FAILURE(0x00000002))`, ""}, "\n")
	if got := artifacttest.Text(r.Events); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	e := r.Events[1]
	if e.Device != `USBSTOR\Disk&Ven_Kingston&Prod_DataTraveler&Rev_1.00\0019E06B9C85F9A0&0` || e.ZoneAssumed || e.Clock != event.LocalTime {
		t.Errorf("%+v", e)
	}
	if r.Counts.Decoded != 2 {
		t.Errorf("%+v", r.Counts)
	}
}

// TestSetupAPIXP: the form of XP, after Microsoft's description.
func TestSetupAPIXP(t *testing.T) {
	log := `[SetupAPI Log]
OS Version = 5.1.2600 Service Pack 3
[2011/10/25 09:00:01 632.7 Driver Install]
#-019 Searching for hardware ID(s): usbstor\diskkingston,usbstor\gendisk
#-198 Command line processed: C:\WINDOWS\system32\services.exe
#I123 Doing full install of "USBSTOR\DISK&VEN_KINGSTON\0019E06B&0".
#I121 Device install of "USBSTOR\DISK&VEN_KINGSTON\0019E06B&0" finished successfully.
`
	r := artifacttest.Run(t, SetupAPI, artifacttest.Source{Path: "WINDOWS/setupapi.log", Data: []byte(log), Machine: tokyo})
	if e := r.Events[0]; len(r.Events) != 1 || e.Device != `USBSTOR\DISK&VEN_KINGSTON\0019E06B&0` || e.Action != event.DeviceAttached || e.Ticks.Format(event.Second) != "2011-10-25T00:00:01Z" || e.Precision != event.Second {
		t.Errorf("%+v", r.Events)
	}
}

func TestSetupAPICorpus(t *testing.T) {
	for _, row := range corpus.Truth(t, "setupapi") {
		b, err := os.ReadFile(corpus.Path(t, "artifacts/"+row["file"]))
		if err != nil {
			t.Fatal(err)
		}
		r := artifacttest.Read(SetupAPI, artifacttest.Source{Path: row["file"], Data: b})
		ok := 0
		for _, e := range r.Events {
			for _, f := range e.Fields {
				if f.Name == "exit_status" && f.Text() == "SUCCESS" {
					ok++
				}
			}
		}
		if r.Counts.Decoded != 194 || ok != 191 || len(r.Problems) > 0 { // sections and exit_status_success of the table
			t.Errorf("%+v, %d with success, %v", r.Counts, ok, r.Problems)
		}
	}
}

func FuzzSetupAPI(f *testing.F) {
	f.Add([]byte(devLog))
	f.Add([]byte("[2011/10/25 09:00:01 632.7 Driver Install]\n#-019 Searching for hardware ID(s): a,b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r := artifacttest.Read(SetupAPI, artifacttest.Source{Path: "setupapi.dev.log", Data: b}); !r.Counts.Reconciles() {
			t.Errorf("%+v", r.Counts)
		}
	})
}
