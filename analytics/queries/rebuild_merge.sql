-- Reports read few parts faster than many.
OPTIMIZE TABLE /*new*//*on cluster*/ FINAL
