"""Names and places for synthetic people: common Swedish names, invented towns, postcodes that no town has."""

from __future__ import annotations

from typing import Final

_WOMEN = (
    "Anna Maria Margareta Elisabeth Eva Kristina Birgitta Karin Ingrid Marie Christina Linnéa Sofia Kerstin Lena "
    "Helena Marianne Emma Johanna Inger Sara Cecilia Elin Anita Annika Ulla Susanne Gunilla Berit Maj Alice Astrid "
    "Ida Agneta Anneli Jenny Hanna Malin Camilla Åsa Monica Viktoria Therese Josefin Siv Barbro Julia Ebba Maja "
    "Wilma Alva Klara Saga Freja Ella Signe Elsa Selma Vera Märta Gerd Gun Rut Ester Ulrika Yvonne Pia Carina Mona "
    "Madeleine Ellen Matilda Amanda Frida Moa Nora Tuva Stina Leila Fatima Zahra Amina Layla Maryam Samira Aisha "
    "Hodan Nadia Mila Anja Irena Danuta Jasmina Merima Selma Sanja Thi Mai Siri Wanja Lovisa Louise Rebecka Ronja "
    "Tilda Hedvig Lisbeth"
)
WOMEN: Final = tuple(_WOMEN.split())
_MEN = (
    "Erik Lars Karl Anders Johan Per Nils Mikael Jan Hans Peter Olof Lennart Gunnar Sven Fredrik Daniel Bengt Bo "
    "Alexander Gustav Göran Åke Magnus Martin Stefan Andreas John Mats Mattias Leif Thomas Henrik Björn Jonas Ulf "
    "Christer Niklas David Stig Arne Tommy Kjell Rolf Håkan Roland Kent Patrik Oskar Emil Viktor Simon Lucas "
    "William Hugo Oliver Liam Elias Noah Adam Leo Arvid Ludvig Isak Axel Vidar Sixten Folke Ragnar Torsten Sture "
    "Ingvar Bertil Evert Valter Ivar Algot Tage Jörgen Claes Rickard Robin Jesper Pontus Sebastian Ahmed Mohamed "
    "Ali Hassan Omar Yusuf Ibrahim Abdi Amir Reza Dariusz Piotr Goran Zoran Emir Nenad Farid Samir Tuan Kalle Pelle "
    "Otto Edvin"
)
MEN: Final = tuple(_MEN.split())
_FAMILIES = (
    "Andersson Johansson Karlsson Nilsson Eriksson Larsson Olsson Persson Svensson Gustafsson Pettersson Jonsson "
    "Jansson Hansson Bengtsson Jönsson Lindberg Jakobsson Magnusson Olofsson Lindström Lindqvist Lindgren Axelsson "
    "Berg Bergström Lundberg Lind Lundgren Lundqvist Mattsson Berglund Fredriksson Sandberg Henriksson Forsberg "
    "Sjöberg Wallin Engström Eklund Danielsson Lundin Håkansson Björk Bergman Gunnarsson Holm Wikström Samuelsson "
    "Isaksson Fransson Bergqvist Nyström Holmberg Arvidsson Löfgren Söderberg Nyberg Blomqvist Claesson Nordström "
    "Mårtensson Lundström Viklund Eliasson Pålsson Björklund Berggren Sandström Nordin Lund Falk Ström Åberg "
    "Ekström Hermansson Holmgren Hedlund Dahlberg Sundberg Ekman Åkesson Sjögren Öberg Abrahamsson Martinsson Blom "
    "Andreasson Månsson Norberg Hassan Ali Mohamed Ahmed Hussein Abdi Nguyen Haddad Kovačević Jovanović Nowak Demir "
    "Rashid Farah Hosseini Petrović Sundström Åström Dahl Strand Fors Granqvist Stenberg Hellström Wallgren Hedman "
    "Moberg Ahlgren Sköld Näslund"
)
FAMILIES: Final = tuple(_FAMILIES.split())
_STREETS = (
    "Storgatan Kyrkogatan Skolgatan Parkvägen Björkvägen Granstigen Ekbacken Lönngatan Hamngatan Fiskargränd "
    "Kvarngatan Stationsgatan Järnvägsgatan Nygatan Östra_Långgatan Västra_Långgatan Rönnvägen Solrosvägen "
    "Blåklocksvägen Ängsvägen Bruksvägen Smedjegatan Sjövägen Strandpromenaden Talltitevägen Sävsångarvägen "
    "Hasselstigen Åkervägen Prästgatan Trädgårdsgatan Klockarvägen Lingonstigen Hjortronvägen Fjällgatan Myrvägen "
    "Norra_Allén Södra_Allén Torggatan Backstigen Mossvägen"
)
STREETS: Final = tuple(_STREETS.split())
# (town, postcode): the towns do not exist, and no postcode begins with 00.
TOWNS: Final = (
    ("Norrvalla", "001 11"),
    ("Norrvalla", "001 24"),
    ("Norrvalla", "001 37"),
    ("Ekeberga", "002 12"),
    ("Ekeberga", "002 35"),
    ("Lönnhamn", "003 14"),
    ("Björksele", "004 61"),
    ("Strandvik", "005 40"),
    ("Sjöfallet", "006 92"),
)
