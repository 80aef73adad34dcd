-- E-mail addresses are compared without regard to ASCII case in SQL that every database here understands.
CREATE UNIQUE INDEX person_email ON person (connection, lower(email));
