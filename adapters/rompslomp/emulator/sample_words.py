"""Names, streets, towns and goods of invented people and firms, for the lifelike books."""

FIRST_NAMES = (
    "Anna", "Bart", "Carlijn", "Daan", "Eva", "Floris", "Greetje", "Hidde", "Iris", "Jeroen", "Karin", "Lars", "Maud",
    "Noor", "Otto", "Pien", "Quinten", "Roos", "Sanne", "Thijs", "Ursula", "Vincent", "Willemijn", "Yasmin", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "de Vries", "Jansen", "van den Berg", "Bakker", "Visser", "Smit", "Meijer", "de Boer", "Mulder", "de Groot", "Bos",
    "Vos", "Peters", "Hendriks", "van Leeuwen", "Dekker", "Brouwer", "Dijkstra", "Kok", "Jacobs", "El Amrani",
    "Öztürk", "'t Hart", "Ó Briain",
)  # fmt: skip
TRADES = (
    "Bouw", "Bloemen", "Catering", "Design", "Fietsen", "Fotografie", "Groenvoorziening", "Horeca", "Installatie",
    "Interieur", "Keramiek", "Klusbedrijf", "Logistiek", "Media", "Schilderwerken", "Tuinen", "Webbouw", "Wijnhandel",
    "& Zonen Meubelmakerij", "Zorg",
)  # fmt: skip
FORMS = ("B.V.", "V.O.F.", "", "Holding B.V.")
STREETS = (
    "Dorpsstraat", "Kerkstraat", "Molenweg", "Stationsplein", "Prins Hendrikkade", "Lange Nieuwstraat", "Havendijk",
    "Burgemeester de Wittestraat", "Singel", "Oude Gracht",
)  # fmt: skip
TOWNS = (
    ("3527", "Utrecht"), ("1012", "Amsterdam"), ("3011", "Rotterdam"), ("2511", "'s-Gravenhage"), ("9711", "Groningen"),
    ("6211", "Maastricht"), ("8011", "Zwolle"), ("5611", "Eindhoven"), ("4331", "Middelburg"), ("8911", "Leeuwarden"),
)  # fmt: skip
ABROAD = (
    ("BE", "Brouwerij De Kraan BVBA", "Meir 12", "2000", "Antwerpen", "BE0123456789"),
    ("BE", "Ateliers Lambert SRL", "Rue Neuve 5", "1000", "Bruxelles", "BE0987654321"),
    ("DE", "Müller & Söhne GmbH", "Hauptstraße 7", "10115", "Berlin", "DE123456789"),
    ("DE", "Gärtnerei Weiß", "Am Markt 1", "50667", "Köln", "DE987654321"),
    ("FR", "Société Dupont", "12 rue de la Paix", "75002", "Paris", "FR12345678901"),
    ("ES", "Jardines del Sur S.L.", "Calle Mayor 3", "28013", "Madrid", "ESB12345678"),
    ("GB", "Greenhouse Supplies Ltd", "1 High Street", "SW1A 1AA", "London", None),
    ("US", "Tulip Trading Inc.", "500 5th Avenue", "10110", "New York", None),
)
PRODUCTS = (
    ("Bloempot terracotta 20 cm", "6.19835", "vat_high"),
    ("Bloempot terracotta 30 cm", "10.70248", "vat_high"),
    ("Gieter 5 liter", "12.3554", "vat_high"),
    ("Snoeischaar", "20.6198", "vat_high"),
    ("Spade", "28.88", "vat_high"),
    ("Schoffel", "16.49", "vat_high"),
    ("Tuinhandschoenen maat M", "5.75", "vat_high"),
    ("Kruiwagen", "74.34", "vat_high"),
    ("Tuinslang 25 m", "24.75", "vat_high"),
    ("Regenton 200 liter", "45.41", "vat_high"),
    ("Lavendel", "2.70642", "vat_low_new"),
    ("Hortensia", "11.88073", "vat_low_new"),
    ("Klimop", "4.08257", "vat_low_new"),
    ("Rozenstruik", "9.12844", "vat_low_new"),
    ("Appelboom halfstam", "41.2385", "vat_low_new"),
    ("Tulpenbollen, 25 stuks", "5.45872", "vat_low_new"),
    ("Narcissen, 25 stuks", "4.54", "vat_low_new"),
    ("Graszaad 1 kg", "9.13", "vat_low_new"),
    ("Moestuinzaden, set", "13.72", "vat_low_new"),
    ("Boeket", "22.89", "vat_low_new"),
    ("Adviesuur", "75.00", "vat_high"),
    ("Tuinontwerp", "450.00", "vat_high"),
    ("Onderhoud per uur", "42.50", "vat_high"),
    ("Spoedtoeslag", "35.00", "vat_high"),
    ("Voorrijkosten", "29.50", "vat_high"),
    ("Workshop snoeien", "61.98", "vat_high"),
    ("Cursus moestuin (vrijgesteld)", "120.00", "vat_none"),
    ("Verzendkosten", "5.74380", "vat_high"),
    ("Verzendkosten planten", "6.37615", "vat_low_new"),
    ("Cadeaubon", "25.00", "vat_zero"),
    ("Potgrond 40 liter", "5.73", "vat_low_new"),
    ("Compost 40 liter", "4.59", "vat_low_new"),
    ("Grind 20 kg", "7.02", "vat_high"),
    ("Boomschors 50 liter", "8.22", "vat_high"),
    ("Tuinstoel", "57.81", "vat_high"),
    ("Tuintafel", "247.11", "vat_high"),
    ("Parasol", "103.31", "vat_high"),
    ("Vogelhuisje", "14.83", "vat_high"),
    ("Insectenhotel", "18.14", "vat_high"),
    ("Zonnebloempitten 5 kg", "11.01", "vat_low_new"),
)
