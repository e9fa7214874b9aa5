package device

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/fixtures/hivefile"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

const hiveTime = 129597426671845678 // 2011-09-06T00:31:07.1845678Z

func lines(t *testing.T, spec artifact.Spec, events []event.Event, want ...string) {
	t.Helper()
	got := strings.Split(strings.TrimSuffix(artifacttest.Text(events), "\n"), "\n")
	if !slices.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", spec.Name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func date(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

func system() []byte {
	const stick = `ControlSet001\Enum\USBSTOR\Disk&Ven_HP&Prod_v100w&Rev_1024\AA951D0000007252&0`
	const props = stick + `\Properties\{83da6326-97a6-4088-9453-a1923f573b29}\`
	return hivefile.Build("SYSTEM", hivefile.Key{Name: "root", Time: hiveTime, Keys: hivefile.Merge(
		hivefile.Path("Select", hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.DWord("Current", 1)}}),
		hivefile.Path(stick, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("FriendlyName", "HP v100w USB Device")}}),
		hivefile.Path(props+"0065", hiveTime, hivefile.Key{Values: []hivefile.Value{{Type: 0xFFFF0010, Data: date(hiveTime - 10000000)}}}),
		hivefile.Path(props+`00000066\00000000`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.Bin("Data", date(hiveTime+10000000))}}),
		hivefile.Path(`ControlSet001\Enum\USB\VID_03F0&PID_3207\6&1`, hiveTime, hivefile.Key{}),
		hivefile.Path("MountedDevices", hiveTime, hivefile.Key{Values: []hivefile.Value{
			hivefile.Bin(`\DosDevices\C:`, []byte{0x3e, 0xa0, 0xbe, 0x5c, 0, 0, 0x10, 0, 0, 0, 0, 0}),
			hivefile.Bin(`\DosDevices\E:`, hivefile.UTF16(`_??_USBSTOR#Disk&Ven_HP&Prod_v100w&Rev_1024#AA951D0000007252&0#{53f56307-b6bf-11d0-94f2-00a0c91efb8b}`)),
			hivefile.Bin(`\??\Volume{0b233deb-95f5-11e0-a8e8-806e6f6e6963}`, append([]byte("DMIO:ID:"), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)),
		}}),
	)})
}

func TestUSB(t *testing.T) {
	r := artifacttest.Run(t, USB, artifacttest.Source{Path: "Windows/System32/config/SYSTEM", Data: system()})
	lines(t, USB, r.Events,
		`2011-09-06T00:31:07.1845678Z  device key last written  configured  device key last written: HP v100w USB Device (AA951D0000007252)`,
		`2011-09-06T00:31:06.1845678Z  device first installed  device-attached  first attached: HP v100w USB Device (AA951D0000007252)`,
		`2011-09-06T00:31:08.1845678Z  device last attached  device-attached  last attached: HP v100w USB Device (AA951D0000007252)`,
		`2011-09-06T00:31:07.1845678Z  device key last written  configured  device key last written: VID_03F0&PID_3207 (6&1)`,
	)
	if r.Counts.Decoded != 2 || r.Events[0].Device != "AA951D0000007252" {
		t.Errorf("%+v", r.Counts)
	}
}

func TestMounted(t *testing.T) {
	r := artifacttest.Run(t, Mounted, artifacttest.Source{Path: "Windows/System32/config/SYSTEM", Data: system()})
	lines(t, Mounted, r.Events,
		`  volume known to the mount manager  configured  C: is disk 5cbea03e, partition at byte 1048576`,
		`  volume known to the mount manager  configured  E: is _??_USBSTOR#Disk&Ven_HP&Prod_v100w&Rev_1024#AA951D0000007252&0#{53f56307-b6bf-11d0-94f2-00a0c91efb8b}`,
		`  volume known to the mount manager  configured  {0b233deb-95f5-11e0-a8e8-806e6f6e6963} is partition {04030201-0605-0807-090a-0b0c0d0e0f10}`,
	)
	if r.Events[1].Device != "AA951D0000007252" || r.Events[1].To != hiveTime {
		t.Errorf("%+v", r.Events[1])
	}
}

func TestMountPoints(t *testing.T) {
	data := hivefile.Build(`\??\C:\Users\sato\ntuser.dat`, hivefile.Key{Name: "root", Time: hiveTime, Keys: hivefile.Merge(
		hivefile.Key{Name: "Environment"},
		hivefile.Path(`Software\Microsoft\Windows\CurrentVersion\Explorer\MountPoints2`, hiveTime, hivefile.Key{Keys: []hivefile.Key{
			{Name: "##fs01#docs", Time: hiveTime}, {Name: "{eba74da6-5bb2-11e0-95d1-000c2971073c}", Time: hiveTime}, {Name: "CPC", Time: hiveTime},
		}}),
	)})
	r := artifacttest.Run(t, MountPoints, artifacttest.Source{Path: "Users/sato/NTUSER.DAT", Data: data})
	lines(t, MountPoints, r.Events,
		`2011-09-06T00:31:07.1845678Z  share last mounted for the user  share-accessed  sato: share mounted: \\fs01\docs`,
		`2011-09-06T00:31:07.1845678Z  volume last mounted for the user  other  sato: volume mounted: {eba74da6-5bb2-11e0-95d1-000c2971073c}`,
	)
	if r.Events[0].Host != "fs01" {
		t.Errorf("%q", r.Events[0].Host)
	}
}

func TestEMDMgmt(t *testing.T) {
	data := hivefile.Build("SOFTWARE", hivefile.Key{Name: "root", Time: hiveTime, Keys: hivefile.Merge(
		hivefile.Path(`Microsoft\Windows NT\CurrentVersion\EMDMgmt\_??_USBSTOR#Disk&Ven_HP&Prod_v100w&Rev_1024#AA951D0000007252&0#{53f56307-b6bf-11d0-94f2-00a0c91efb8b}BACK_UP_2825456783`, hiveTime, hivefile.Key{}),
	)})
	r := artifacttest.Run(t, EMDMgmt, artifacttest.Source{Path: "Windows/System32/config/SOFTWARE", Data: data})
	// 2825456783 is 0xA8690C8F
	lines(t, EMDMgmt, r.Events, `2011-09-06T00:31:07.1845678Z  volume key last written  configured  volume "BACK_UP" of device AA951D0000007252 known (serial number A869-0C8F)`)
}

// Devices and volumes by reglookup; 11 mounted devices are stated by regipy.
func TestCorpus(t *testing.T) {
	for _, c := range []struct {
		file string
		spec artifact.Spec
		want int64
		text string
	}{
		{"mkorman90+regipy/SYSTEM", Mounted, 11, "E: is _??_USBSTOR#Disk&Ven_HP&Prod_v100w&Rev_1024#AA951D0000007252"},
		{"mkorman90+regipy/SYSTEM", USB, 0, "first attached: HP v100w USB Device (AA951D0000007252)"},
		// the bytes of 0067 are F4 70 D2 AA 67 FC d5 01
		{"mkorman90+regipy/SYSTEM_WIN_10_1709", USB, 0, "last removed: SanDisk Cruzer USB Device (200608767007B7C08A6A)"},
	} {
		data, err := os.ReadFile(corpus.Path(t, "artifacts/registry/"+c.file))
		if err != nil {
			t.Fatal(err)
		}
		r := artifacttest.Read(c.spec, artifacttest.Source{Path: "Windows/System32/config/SYSTEM", Data: data})
		if r.Err != nil || !r.Counts.Reconciles() || c.want > 0 && r.Counts.Decoded != c.want || len(r.Problems) > 1 {
			t.Errorf("%s: %s: %v, %+v, %v", c.file, c.spec.Name, r.Err, r.Counts, r.Problems)
		}
		if !strings.Contains(artifacttest.Text(r.Events), c.text) {
			t.Errorf("%s: %s: nothing says %q", c.file, c.spec.Name, c.text)
		}
		for i := range r.Events {
			artifacttest.Event(t, c.spec, &r.Events[i], int64(len(data)))
		}
	}
}
