"""Drugs on the Swedish market with ATC codes, and the way from the generators' American names to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Drug:
    """``dose`` of ``unit`` is one dose, given at ``times`` (hours; none: as needed); ``route`` is a key of ROUTES."""

    atc: str
    substance: str
    product: str
    form: str
    dose: float
    unit: str
    route: str
    times: tuple[int, ...]
    note: str = ""


ROUTES: Final = {
    "po": ("26643006", "Oral användning"),
    "iv": ("47625008", "Intravenös användning"),
    "sc": ("34206005", "Subkutan användning"),
    "im": ("78421000", "Intramuskulär användning"),
    "inh": ("447694001", "Inhalation"),
    "cut": ("6064005", "Kutan användning"),
    "eye": ("54485002", "Okulär användning"),
    "sl": ("37839007", "Sublingual användning"),
    "vag": ("16857009", "Vaginal användning"),
    "uterus": ("58100008", "Intrauterin användning"),
}

# key: ATC, substance, product, form, dose, unit, route, hours ("-": as needed), note
_TABLE = """
paracetamol|N02BE01|paracetamol|Alvedon 500 mg|filmdragerad tablett|1000|mg|po|8 14 20
oxikodon|N02AA05|oxikodon|OxyNorm 5 mg|kapsel|5|mg|po|-|vid smärta
oxikodondepot|N02AA05|oxikodon|OxyContin 10 mg|depottablett|10|mg|po|8 20
morfin|N02AA01|morfin|Morfin Meda 10 mg/mL|injektionsvätska|2.5|mg|iv|-|vid svår smärta
tramadol|N02AX02|tramadol|Tradolan 50 mg|tablett|50|mg|po|-|vid smärta
fentanylplaster|N02AB03|fentanyl|Durogesic 25 mikrogram/timme|depotplåster|25|ug/h|cut|8|byte var tredje dag
ibuprofen|M01AE01|ibuprofen|Ipren 400 mg|tablett|400|mg|po|-|vid smärta
naproxen|M01AE02|naproxen|Naproxen Orion 250 mg|tablett|250|mg|po|8 20
diklofenak|M01AB05|diklofenak|Voltaren 50 mg|enterotablett|50|mg|po|-|vid smärta
ketorolak|M01AB15|ketorolak|Toradol 30 mg/mL|injektionsvätska|30|mg|iv|-|vid smärta
celecoxib|M01AH01|celecoxib|Celebra 200 mg|kapsel|200|mg|po|8
asa|B01AC06|acetylsalicylsyra|Trombyl 75 mg|tablett|75|mg|po|8
klopidogrel|B01AC04|klopidogrel|Plavix 75 mg|tablett|75|mg|po|8
tikagrelor|B01AC24|tikagrelor|Brilique 90 mg|tablett|90|mg|po|8 20
warfarin|B01AA03|warfarin|Waran 2,5 mg|tablett|5|mg|po|18|enligt särskild ordination, AK-mottagningen
apixaban|B01AF02|apixaban|Eliquis 5 mg|tablett|5|mg|po|8 20
dalteparin|B01AB04|dalteparin|Fragmin 5000 E|injektionsvätska|5000|[iU]|sc|20
enoxaparin|B01AB05|enoxaparin|Klexane 40 mg|injektionsvätska|40|mg|sc|20
heparin|B01AB01|heparin|Heparin LEO 5000 IE/mL|injektionsvätska|5000|[iU]|iv|-
alteplas|B01AD02|alteplas|Actilyse|infusionsvätska|50|mg|iv|-
simvastatin|C10AA01|simvastatin|Simvastatin Krka 20 mg|tablett|20|mg|po|20
atorvastatin|C10AA05|atorvastatin|Lipitor 40 mg|tablett|40|mg|po|20
amlodipin|C08CA01|amlodipin|Norvasc 5 mg|tablett|5|mg|po|8
verapamil|C08DA01|verapamil|Isoptin 80 mg|tablett|80|mg|po|8 20
enalapril|C09AA02|enalapril|Enalapril Krka 10 mg|tablett|10|mg|po|8
lisinopril|C09AA03|lisinopril|Zestril 10 mg|tablett|10|mg|po|8
losartan|C09CA01|losartan|Cozaar 50 mg|tablett|50|mg|po|8
kandesartan|C09CA06|kandesartan|Atacand 8 mg|tablett|8|mg|po|8
hydroklortiazid|C03AA03|hydroklortiazid|Esidrex 25 mg|tablett|25|mg|po|8
furosemid|C03CA01|furosemid|Furix 40 mg|tablett|40|mg|po|8
furosemidiv|C03CA01|furosemid|Furix 10 mg/mL|injektionsvätska|40|mg|iv|8 14
spironolakton|C03DA01|spironolakton|Spironolakton Pfizer 25 mg|tablett|25|mg|po|8
metoprolol|C07AB02|metoprolol|Seloken ZOC 50 mg|depottablett|50|mg|po|8
bisoprolol|C07AB07|bisoprolol|Emconcor 5 mg|tablett|5|mg|po|8
propranolol|C07AA05|propranolol|Inderal 40 mg|tablett|40|mg|po|8 20
karvedilol|C07AG02|karvedilol|Karvedilol Hexal 12,5 mg|tablett|12.5|mg|po|8 20
digoxin|C01AA05|digoxin|Lanacrist 0,13 mg|tablett|0.13|mg|po|8
amiodaron|C01BD01|amiodaron|Cordarone 50 mg/mL|injektionsvätska|300|mg|iv|-
glyceryltrinitrat|C01DA02|glyceryltrinitrat|Nitrolingual 0,4 mg/dos|sublingualspray|0.4|mg|sl|-|vid bröstsmärta
noradrenalin|C01CA03|noradrenalin|Noradrenalin Pfizer 1 mg/mL|infusionskoncentrat|0.1|ug/kg/min|iv|-|infusion
dobutamin|C01CA07|dobutamin|Dobutamin Hameln 5 mg/mL|infusionsvätska|5|ug/kg/min|iv|-|infusion
adrenalin|C01CA24|adrenalin|EpiPen 300 mikrogram|injektionsvätska i förfylld penna|0.3|mg|im|-|vid allergisk reaktion
metformin|A10BA02|metformin|Metformin Actavis 500 mg|tablett|1000|mg|po|8 18
empagliflozin|A10BK03|empagliflozin|Jardiance 10 mg|tablett|10|mg|po|8
semaglutid|A10BJ06|semaglutid|Ozempic 0,5 mg|injektionsvätska|0.5|mg|sc|-|en gång i veckan
insulinglargin|A10AE04|insulin glargin|Lantus 100 E/mL|injektionsvätska|18|[iU]|sc|21
insulinaspart|A10AB05|insulin aspart|NovoRapid 100 E/mL|injektionsvätska|6|[iU]|sc|8 12 17
insulinlispro|A10AB04|insulin lispro|Humalog 100 E/mL|injektionsvätska|6|[iU]|sc|8 12 17
insulinhuman|A10AB01|insulin, humant|Actrapid 100 E/mL|injektionsvätska|4|[iU]|sc|8 12 17
insulinmix|A10AD01|insulin, humant blandat|Insuman Comb25|injektionsvätska|14|[iU]|sc|8 17
levotyroxin|H03AA01|levotyroxin|Levaxin 75 mikrogram|tablett|75|ug|po|7
prednisolon|H02AB06|prednisolon|Prednisolon Pfizer 5 mg|tablett|30|mg|po|8
betametason|H02AB01|betametason|Betapred 4 mg/mL|injektionsvätska|4|mg|iv|8
metylprednisolon|H02AB04|metylprednisolon|Solu-Medrol 40 mg|injektionsvätska|40|mg|iv|8
omeprazol|A02BC01|omeprazol|Omeprazol Teva 20 mg|enterokapsel|20|mg|po|8
lansoprazol|A02BC03|lansoprazol|Lanzo 30 mg|enterokapsel|30|mg|po|8
pantoprazol|A02BC02|pantoprazol|Pantoloc 40 mg|injektionsvätska|40|mg|iv|8 20
famotidin|A02BA03|famotidin|Pepcid 20 mg|tablett|20|mg|po|20
metoklopramid|A03FA01|metoklopramid|Primperan 5 mg/mL|injektionsvätska|10|mg|iv|-|vid illamående
ondansetron|A04AA01|ondansetron|Zofran 2 mg/mL|injektionsvätska|4|mg|iv|-|vid illamående
laktulos|A06AD11|laktulos|Laktulos Meda 670 mg/mL|oral lösning|15|mL|po|8 20
makrogol|A06AD65|makrogol, kombinationer|Movicol|pulver till oral lösning|1|{dos}|po|8
mesalazin|A07EC02|mesalazin|Asacol 800 mg|enterotablett|800|mg|po|8 20
alendronat|M05BA04|alendronsyra|Fosamax veckotablett 70 mg|tablett|70|mg|po|-|en gång i veckan
kalciumd|A12AX|kalcium och vitamin D|Kalcipos-D|tuggtablett|1|{tabl}|po|8 20
kolekalciferol|A11CC05|kolekalciferol|Divisun 800 IE|tablett|800|[iU]|po|8
kaliumklorid|A12BA01|kaliumklorid|Kaleorid 750 mg|depottablett|750|mg|po|8 20
magnesium|A12CC02|magnesiumsulfat|Addex-Magnesium 1 mmol/mL|koncentrat till infusionsvätska|20|mmol|iv|-
jarn|B03AA07|järn|Duroferon 100 mg|depottablett|100|mg|po|8
folsyra|B03BB01|folsyra|Folacin 1 mg|tablett|1|mg|po|8
behepan|B03BA01|cyanokobalamin|Behepan 1 mg|tablett|1|mg|po|8
epoetin|B03XA01|epoetin alfa|Eprex 4000 IE|injektionsvätska|4000|[iU]|sc|-|vid dialys
natriumklorid|B05BB01|elektrolyter|Natriumklorid Fresenius Kabi 9 mg/mL|infusionsvätska|1000|mL|iv|-|infusion
ringer|B05BB01|elektrolyter|Ringer-Acetat Fresenius Kabi|infusionsvätska|1000|mL|iv|-|infusion
natriumbikarbonat|B05XA02|natriumvätekarbonat|Natriumbikarbonat 50 mg/mL|infusionsvätska|100|mL|iv|-|infusion
sumatriptan|N02CC01|sumatriptan|Imigran 50 mg|tablett|50|mg|po|-|vid migränattack
topiramat|N03AX11|topiramat|Topimax 50 mg|tablett|50|mg|po|8 20
lamotrigin|N03AX09|lamotrigin|Lamictal 100 mg|tablett|100|mg|po|8 20
karbamazepin|N03AF01|karbamazepin|Tegretol 200 mg|depottablett|200|mg|po|8 20
klonazepam|N03AE01|klonazepam|Iktorivil 0,5 mg|tablett|0.5|mg|po|20
levetiracetam|N03AX14|levetiracetam|Keppra 500 mg|tablett|500|mg|po|8 20
levodopa|N04BA02|levodopa och dekarboxylashämmare|Madopark 100 mg/25 mg|tablett|100|mg|po|7 11 15 19
sertralin|N06AB06|sertralin|Zoloft 50 mg|tablett|50|mg|po|8
escitalopram|N06AB10|escitalopram|Cipralex 10 mg|tablett|10|mg|po|8
fluoxetin|N06AB03|fluoxetin|Fontex 20 mg|kapsel|20|mg|po|8
venlafaxin|N06AX16|venlafaxin|Efexor Depot 75 mg|depotkapsel|75|mg|po|8
duloxetin|N06AX21|duloxetin|Cymbalta 60 mg|enterokapsel|60|mg|po|8
mirtazapin|N06AX11|mirtazapin|Remeron-S 15 mg|munsönderfallande tablett|15|mg|po|21
zopiklon|N05CF01|zopiklon|Imovane 5 mg|tablett|5|mg|po|21
oxazepam|N05BA04|oxazepam|Sobril 5 mg|tablett|5|mg|po|-|vid oro
diazepam|N05BA01|diazepam|Stesolid 5 mg|tablett|5|mg|po|-|vid oro
buspiron|N05BE01|buspiron|Buspiron Actavis 10 mg|tablett|10|mg|po|8 20
litium|N05AN01|litium|Lithionit 42 mg|depottablett|84|mg|po|8 20
kvetiapin|N05AH04|kvetiapin|Seroquel Depot 50 mg|depottablett|50|mg|po|20
olanzapin|N05AH03|olanzapin|Zyprexa 10 mg|tablett|10|mg|po|20
haloperidol|N05AD01|haloperidol|Haldol 1 mg|tablett|0.5|mg|po|20
midazolam|N05CD08|midazolam|Midazolam Accord 5 mg/mL|injektionsvätska|2|mg|iv|-
propofol|N01AX10|propofol|Propolipid 10 mg/mL|injektionsvätska|140|mg|iv|-
bupivakain|N01BB01|bupivakain|Marcain 5 mg/mL|injektionsvätska|15|mg|iv|-
metylfenidat|N06BA04|metylfenidat|Concerta 36 mg|depottablett|36|mg|po|8
atomoxetin|N06BA09|atomoxetin|Strattera 40 mg|kapsel|40|mg|po|8
donepezil|N06DA02|donepezil|Aricept 10 mg|tablett|10|mg|po|20
galantamin|N06DA04|galantamin|Reminyl 8 mg|depotkapsel|8|mg|po|8
memantin|N06DX01|memantin|Ebixa 20 mg|tablett|20|mg|po|8
buprenorfin|N07BC51|buprenorfin, kombinationer|Suboxone 8 mg/2 mg|resoriblett|8|mg|sl|8
pcv|J01CE02|fenoximetylpenicillin|Kåvepenin 1 g|tablett|1000|mg|po|8 14 20
bensylpc|J01CE01|bensylpenicillin|Bensylpenicillin Meda 3 g|injektionsvätska|3000|mg|iv|6 14 22
amoxicillin|J01CA04|amoxicillin|Amimox 500 mg|tablett|500|mg|po|8 14 20
amoxiklav|J01CR02|amoxicillin och klavulansyra|Spektramox 500 mg/125 mg|tablett|500|mg|po|8 14 20
ampicillin|J01CA01|ampicillin|Doktacillin 2 g|injektionsvätska|2000|mg|iv|6 14 22
kloxacillin|J01CF02|kloxacillin|Ekvacillin 2 g|injektionsvätska|2000|mg|iv|6 14 22
cefotaxim|J01DD01|cefotaxim|Cefotaxim Fresenius Kabi 1 g|injektionsvätska|1000|mg|iv|6 14 22
ceftriaxon|J01DD04|ceftriaxon|Ceftriaxon Fresenius Kabi 2 g|injektionsvätska|2000|mg|iv|8
cefadroxil|J01DB05|cefadroxil|Cefamox 500 mg|tablett|500|mg|po|8 20
cefuroxim|J01DC02|cefuroxim|Zinacef 1,5 g|injektionsvätska|1500|mg|iv|6 14 22
piptazo|J01CR05|piperacillin och tazobaktam|Piperacillin/Tazobactam 4 g/0,5 g|infusionsvätska|4000|mg|iv|6 12 18 23
meropenem|J01DH02|meropenem|Meronem 1 g|injektionsvätska|1000|mg|iv|6 14 22
ciprofloxacin|J01MA02|ciprofloxacin|Ciproxin 500 mg|tablett|500|mg|po|8 20
levofloxacin|J01MA12|levofloxacin|Tavanic 500 mg|tablett|500|mg|po|8
doxycyklin|J01AA02|doxycyklin|Doxyferm 100 mg|tablett|100|mg|po|8
klindamycin|J01FF01|klindamycin|Dalacin 300 mg|kapsel|300|mg|po|8 14 20
azitromycin|J01FA10|azitromycin|Azitromax 500 mg|tablett|500|mg|po|8
klaritromycin|J01FA09|klaritromycin|Klacid 500 mg|tablett|500|mg|po|8 20
nitrofurantoin|J01XE01|nitrofurantoin|Furadantin 50 mg|tablett|50|mg|po|8 14 20
trimsulfa|J01EE01|sulfametoxazol och trimetoprim|Bactrim forte|tablett|1|{tabl}|po|8 20
vankomycin|J01XA01|vankomycin|Vancomycin Xellia 1 g|infusionsvätska|1000|mg|iv|8 20
metronidazol|J01XD01|metronidazol|Flagyl 5 mg/mL|infusionsvätska|500|mg|iv|8 20
gentamicin|J01GB03|gentamicin|Gensumycin 40 mg/mL|injektionsvätska|320|mg|iv|-|engångsdos
oseltamivir|J05AH02|oseltamivir|Tamiflu 75 mg|kapsel|75|mg|po|8 20
ledipasvir|J05AP51|sofosbuvir och ledipasvir|Harvoni|tablett|1|{tabl}|po|8
micafungin|J02AX05|mikafungin|Mycamine 100 mg|infusionsvätska|100|mg|iv|8
salbutamol|R03AC02|salbutamol|Ventoline 2 mg/mL|lösning för nebulisator|2.5|mg|inh|-|vid andnöd
salbutamolinh|R03AC02|salbutamol|Ventoline Diskus 0,2 mg/dos|inhalationspulver|0.2|mg|inh|-|vid andnöd
ipratropium|R03BB01|ipratropium|Atrovent 0,25 mg/mL|lösning för nebulisator|0.5|mg|inh|8 14 20
tiotropium|R03BB04|tiotropium|Spiriva Respimat|inhalationsvätska|5|ug|inh|8
flutikasonsalm|R03AK06|salmeterol och flutikason|Seretide Diskus mite|inhalationspulver|1|{dos}|inh|8 20
budesonidformo|R03AK07|formoterol och budesonid|Symbicort Turbuhaler|inhalationspulver|1|{dos}|inh|8 20
budesonid|R03BA02|budesonid|Pulmicort Turbuhaler 200 mikrogram/dos|inhalationspulver|1|{dos}|inh|8 20
flutikason|R03BA05|flutikason|Flutide Evohaler|inhalationsspray|1|{dos}|inh|8 20
montelukast|R03DC03|montelukast|Singulair 10 mg|tablett|10|mg|po|20
loratadin|R06AX13|loratadin|Clarityn 10 mg|tablett|10|mg|po|8
cetirizin|R06AE07|cetirizin|Zyrlex 10 mg|tablett|10|mg|po|8
fexofenadin|R06AX26|fexofenadin|Telfast 120 mg|tablett|120|mg|po|8
desloratadin|R06AX27|desloratadin|Aerius 5 mg|tablett|5|mg|po|8
tamsulosin|G04CA02|tamsulosin|Omnic 0,4 mg|depotkapsel|0.4|mg|po|8
finasterid|G04CB01|finasterid|Proscar 5 mg|tablett|5|mg|po|8
ppiller|G03AA07|levonorgestrel och etinylestradiol|Prionelle|tablett|1|{tabl}|po|20
minipiller|G03AC09|desogestrel|Cerazette|tablett|1|{tabl}|po|20
pring|G02BB01|vaginalring med gestagen och östrogen|NuvaRing|vaginalinlägg|1|{st}|vag|-
spiral|G02BA03|plastspiral med gestagen|Mirena|intrauterint inlägg|1|{st}|uterus|-
pstav|G03AC08|etonogestrel|Nexplanon 68 mg|implantat|1|{st}|sc|-
medroxi|G03AC06|medroxiprogesteron|Depo-Provera 150 mg/mL|injektionsvätska|150|mg|im|-|var tredje månad
oxytocin|H01BB02|oxytocin|Syntocinon 8,3 mikrogram/mL|injektionsvätska|8.3|ug|iv|-
leuprorelin|L02AE02|leuprorelin|Procren Depot 11,25 mg|injektionsvätska|11.25|mg|sc|-|var tredje månad
bikalutamid|L02BB03|bikalutamid|Casodex 50 mg|tablett|50|mg|po|8
tamoxifen|L02BA01|tamoxifen|Nolvadex 20 mg|tablett|20|mg|po|8
letrozol|L02BG04|letrozol|Femar 2,5 mg|tablett|2.5|mg|po|8
fulvestrant|L02BA03|fulvestrant|Faslodex 250 mg|injektionsvätska|500|mg|im|-
cisplatin|L01XA01|cisplatin|Cisplatin Ebewe 1 mg/mL|koncentrat till infusionsvätska|130|mg|iv|-|kur
oxaliplatin|L01XA03|oxaliplatin|Oxaliplatin Fresenius Kabi|koncentrat till infusionsvätska|160|mg|iv|-|kur
paklitaxel|L01CD01|paklitaxel|Paclitaxel Hospira|koncentrat till infusionsvätska|140|mg|iv|-|kur
docetaxel|L01CD02|docetaxel|Taxotere|koncentrat till infusionsvätska|140|mg|iv|-|kur
doxorubicin|L01DB01|doxorubicin|Doxorubicin Ebewe|koncentrat till infusionsvätska|100|mg|iv|-|kur
epirubicin|L01DB03|epirubicin|Farmorubicin|injektionsvätska|160|mg|iv|-|kur
trastuzumab|L01FD01|trastuzumab|Herceptin 600 mg|injektionsvätska|600|mg|sc|-|var tredje vecka
kalciumfolinat|V03AF03|kalciumfolinat|Kalciumfolinat Ebewe|injektionsvätska|200|mg|iv|-|kur
adalimumab|L04AB04|adalimumab|Humira 40 mg|injektionsvätska|40|mg|sc|-|varannan vecka
metotrexat|L04AX03|metotrexat|Metotrexat Orion 2,5 mg|tablett|15|mg|po|-|en dag i veckan
azatioprin|L04AX01|azatioprin|Imurel 50 mg|tablett|100|mg|po|8
takrolimus|L04AD02|takrolimus|Prograf 1 mg|kapsel|2|mg|po|8 20
dimetylfumarat|L04AX07|dimetylfumarat|Tecfidera 240 mg|enterokapsel|240|mg|po|8 20
klobetasol|D07AD01|klobetasol|Dermovat 0,05 %|kräm|1|{appl}|cut|20
hydrokortison|D07AA02|hydrokortison|Hydrokortison CCS 1 %|kräm|1|{appl}|cut|8 20
kalcipotriol|D05AX02|kalcipotriol|Daivonex|salva|1|{appl}|cut|20
latanoprost|S01EE01|latanoprost|Xalatan 50 mikrogram/mL|ögondroppar|1|[drp]|eye|20
timolol|S01ED01|timolol|Optimol 5 mg/mL|ögondroppar|1|[drp]|eye|8 20
brimonidin|S01EA05|brimonidin|Alphagan 2 mg/mL|ögondroppar|1|[drp]|eye|8 20
fytomenadion|B02BA01|fytomenadion|Konakion Novum 2 mg/0,2 mL|injektionsvätska|1|mg|im|-|engångsdos
tranexamsyra|B02AA02|tranexamsyra|Cyklokapron 100 mg/mL|injektionsvätska|1000|mg|iv|-
"""


def _drug(row: str) -> tuple[str, Drug]:
    key, atc, substance, product, form, dose, unit, route, hours, *note = row.split("|")
    times = () if hours == "-" else tuple(int(hour) for hour in hours.split())
    return key, Drug(atc, substance, product, form, float(dose), unit, route, times, note[0] if note else "")


DRUGS: Final = dict(_drug(row) for row in _TABLE.strip().splitlines())

# American name (first match wins) → key of DRUGS; a combination that Sweden lacks goes to its nearest part.
_NAMES_TEXT: Final = """
oxycodone.*extended:oxikodondepot;oxycodone:oxikodon;hydrocodone:oxikodon;meperidine:oxikodon;
acetaminophen:paracetamol;ibuprofen:ibuprofen;naproxen:naproxen;diclofenac:diklofenak;ketorolac:ketorolak;
celecoxib:celecoxib;aspirin:asa;clopidogrel:klopidogrel;ticagrelor:tikagrelor;warfarin:warfarin;apixaban:apixaban;
enoxaparin:enoxaparin;heparin:heparin;alteplase:alteplas;simvastatin:simvastatin;atorvastatin:atorvastatin;
lovastatin:simvastatin;amlodipine:amlodipin;verapamil:verapamil;enalapril:enalapril;lisinopril:lisinopril;
losartan:losartan;valsartan:losartan;candesartan:kandesartan;hydrochlorothiazide:hydroklortiazid;
furosemide.*inject:furosemidiv;furosemide:furosemid;metoprolol:metoprolol;propranolol:propranolol;
carvedilol:karvedilol;digoxin:digoxin;amiodarone:amiodaron;nitroglycerin:glyceryltrinitrat;norepinephrine:noradrenalin;
dobutamine:dobutamin;epinephrine:adrenalin;metformin:metformin;glargine:insulinglargin;lispro:insulinlispro;
insulin isophane:insulinmix;insulin:insulinhuman;levothyroxine:levotyroxin;methylprednisolone:metylprednisolon;
prednisone:prednisolon;omeprazole:omeprazol;lansoprazole:lansoprazol;pantoprazole:pantoprazol;famotidine:famotidin;
metoclopramide:metoklopramid;ondansetron:ondansetron;mesalamine:mesalazin;alendron:alendronat;
cholecalciferol:kolekalciferol;potassium chloride:kaliumklorid;magnesium sulfate:magnesium;ferrous:jarn;folic:folsyra;
vitamin b12:behepan;epoetin:epoetin;sodium bicarbonate:natriumbikarbonat;lactated ringers:ringer;crystalloid:ringer;
sodium chloride:natriumklorid;normal saline:natriumklorid;sumatriptan:sumatriptan;topiramate:topiramat;
lamotrigine:lamotrigin;carbamazepine:karbamazepin;clonazepam:klonazepam;levodopa:levodopa;sertraline:sertralin;
escitalopram:escitalopram;fluoxetine:fluoxetin;venlafaxine:venlafaxin;duloxetine:duloxetin;milnacipran:duloxetin;
diazepam:diazepam;lorazepam:oxazepam;buspirone:buspiron;lithium:litium;quetiapine:kvetiapin;midazolam:midazolam;
propofol:propofol;bupivacaine:bupivakain;methylphenidate:metylfenidat;atomoxetine:atomoxetin;donepezil:donepezil;
galantamine:galantamin;buprenorphine:buprenorfin;penicillin v:pcv;penicillin g:bensylpc;
amoxicillin.*clavulanate:amoxiklav;amoxicillin:amoxicillin;ampicillin:ampicillin;ceftriaxone:ceftriaxon;
cefotaxime:cefotaxim;cefuroxime:cefadroxil;cefaclor:cefadroxil;cefazolin:kloxacillin;cefmetazole:cefotaxim;
piperacillin:piptazo;meropenem:meropenem;ciprofloxacin:ciprofloxacin;levofloxacin:levofloxacin;doxycycline:doxycyklin;
clindamycin:klindamycin;azithromycin:azitromycin;clarithromycin:klaritromycin;nitrofurantoin:nitrofurantoin;
sulfamethoxazole:trimsulfa;vancomycin:vankomycin;metronidazole:metronidazol;oseltamivir:oseltamivir;
ledipasvir:ledipasvir;micafungin:micafungin;albuterol.*(actuat|metered):salbutamolinh;albuterol:salbutamol;
ipratropium:ipratropium;tiotropium:tiotropium;salmeterol:flutikasonsalm;ics/laba:budesonidformo;budesonide:budesonid;
fluticasone:flutikason;loratadine:loratadin;cetirizine:cetirizin;fexofenadine:fexofenadin;diphenhydramine:desloratadin;
astemizole:desloratadin;tamsulosin:tamsulosin;levonorgestrel.*(implant|hr):pstav;
mirena|kyleena|liletta|intrauterine:spiral;etonogestrel 68:pstav;nuvaring:pring;ethinyl estradiol:ppiller;
medroxyprogesterone:medroxi;28 day pack|91 day pack|mestranol:ppiller;oxytocin:oxytocin;leuprolide:leuprorelin;
bicalutamide:bikalutamid;tamoxifen:tamoxifen;fulvestrant:fulvestrant;cisplatin:cisplatin;oxaliplatin:oxaliplatin;
paclitaxel:paklitaxel;docetaxel:docetaxel;doxorubicin:doxorubicin;epirubicin:epirubicin;trastuzumab:trastuzumab;
leucovorin:kalciumfolinat;adalimumab:adalimumab;methotrexate:metotrexat;azathioprine:azatioprin;tacrolimus:takrolimus;
dimethyl fumarate:dimetylfumarat;clobetasol:klobetasol;hydrocortisone:hydrokortison;calcipotriene:kalcipotriol;
latanoprost:latanoprost;timolol:timolol;brimonidine:brimonidin;vitamin k1:fytomenadion;morphine:morfin;
fentanyl.*transdermal:fentanylplaster;tramadol:tramadol;
"""
_NAMES: Final = tuple(
    (re.compile(pattern), key)
    for pattern, key in (pair.strip().rsplit(":", 1) for pair in _NAMES_TEXT.split(";") if pair.strip())
)


def drug_key(american: str) -> str | None:
    """The key of the Swedish drug; None where Sweden has no near one (the order is then left out)."""
    name = american.lower()
    return next((key for pattern, key in _NAMES if pattern.search(name)), None)
