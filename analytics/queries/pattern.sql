-- Fails if the server does not understand a regular expression. Of constants alone, the server might
-- answer without a look at it.
SELECT match(materialize(''), {pattern:String})
